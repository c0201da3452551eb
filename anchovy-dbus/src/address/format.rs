//! The text of an address.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::construct::Address;
use super::escape::Escaped;
use super::transport::Transport;

/// Writes the canonical text, with lower-case hex digits and the guid last. `*` is written as `%2a`,
/// because implementations of the specification before 0.38 require the escape.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn path(key: &str, path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "unix:{key}={}", Escaped(path.as_os_str().as_bytes()))
        }

        match &self.transport {
            Transport::Path(socket) => path("path", socket, f)?,
            Transport::Abstract(name) => write!(f, "unix:abstract={}", Escaped(name))?,
            Transport::Dir(directory) => path("dir", directory, f)?,
            Transport::TmpDir(directory) => path("tmpdir", directory, f)?,
            Transport::Runtime => f.write_str("unix:runtime=yes")?,
            Transport::Other(other) => {
                write!(f, "{}:", other.name)?;
                for (index, (key, value)) in other.pairs().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{key}={}", Escaped(value))?;
                }
            }
        }
        let Some(guid) = self.guid else { return Ok(()) };
        let bare = matches!(&self.transport, Transport::Other(other) if other.pairs.is_empty());
        write!(f, "{}guid={guid}", if bare { "" } else { "," })
    }
}
