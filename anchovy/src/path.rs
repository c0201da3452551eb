//! Checks of socket paths and abstract names before they are passed to the kernel.
//!
//! A socket address has room for about a hundred bytes (`sun_path`, unix(7)). For a longer path
//! the kernel returns an error without the length and the limit, so both are checked here.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;

/// Size of `sun_path`, in bytes: 108 on Linux (unix(7)), 104 on systems derived from BSD.
const SUN_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 108 } else { 104 };

/// The maximum length of a path and of an abstract name, in bytes. One byte of `sun_path` is the
/// NUL after a path or before an abstract name.
const LONGEST: usize = SUN_PATH - 1;

/// The reason why a path cannot name a socket.
///
/// No file was opened, created or removed.
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyStream, ConnectError, DBUS_SCM_RIGHTS, PathError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let long = format!("/run/{}", "x".repeat(200));
/// match AnchovyStream::<DBUS_SCM_RIGHTS>::connect(&long).await.unwrap_err() {
///     ConnectError::Path(PathError::TooLong { length, limit, .. }) => {
///         assert_eq!(length, 205);
///         assert!(length > limit);
///     }
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// The path is empty. The kernel would choose an address (unix(7)).
    Empty,
    /// The path contains a NUL byte after its first byte. The kernel would end the path there.
    NulInPath {
        /// The path.
        path: PathBuf,
    },
    /// The path is too long for a socket address.
    TooLong {
        /// The path. An abstract name begins with a NUL byte.
        path: PathBuf,
        /// Length in bytes, without the NUL byte of an abstract name.
        length: usize,
        /// Maximum length in bytes: 107 on Linux.
        limit: usize,
    },
    /// The path begins with a NUL byte, so it is an abstract name. These exist on Linux only.
    AbstractUnsupported,
}

impl PathError {
    /// Checks that a path can name a socket, without accessing the file system. A path that begins
    /// with a NUL byte is an abstract name.
    ///
    /// [`bind`](crate::AnchovyListener::bind) and [`connect`](crate::AnchovyStream::connect) make
    /// the same check first. This function is for programs that create other files before they
    /// bind.
    ///
    /// # Errors
    ///
    /// Returns a [`PathError`] with the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy::PathError;
    ///
    /// assert!(PathError::check("/run/user/1000/bus").is_ok());
    /// assert_eq!(PathError::check(""), Err(PathError::Empty));
    /// ```
    pub fn check(path: impl AsRef<Path>) -> Result<(), PathError> {
        SocketPath::new(path.as_ref()).map(drop)
    }

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            PathError::AbstractUnsupported => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::Empty => f.write_str("the socket path is empty"),
            PathError::NulInPath { path } => write!(f, "the path {path:?} contains a NUL byte"),
            PathError::TooLong { path, length, limit } => write!(
                f,
                "the socket path {} has {length} bytes, limit is {limit}; use a shorter path",
                DisplayPath(path)
            ),
            PathError::AbstractUnsupported => {
                f.write_str("abstract socket names exist on Linux only; use a path")
            }
        }
    }
}

impl std::error::Error for PathError {}

impl From<PathError> for io::Error {
    fn from(error: PathError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// Displays a path, or an abstract name as `@name`, as ss(8) and systemd do.
pub(crate) struct DisplayPath<'a>(pub(crate) &'a Path);

impl fmt::Display for DisplayPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_os_str().as_bytes() {
            [0, name @ ..] => write!(f, "@{}", name.escape_ascii()),
            _ => self.0.display().fmt(f),
        }
    }
}

/// A checked path, and the socket address for it.
#[derive(Debug)]
pub(crate) struct SocketPath {
    /// The path as passed by the caller. An abstract name begins with a NUL byte.
    pub(crate) path: PathBuf,
    pub(crate) address: SocketAddrUnix,
}

impl SocketPath {
    /// Checks a path. One that begins with a NUL byte is an abstract name, as in tokio.
    pub(crate) fn new(path: &Path) -> Result<SocketPath, PathError> {
        let bytes = path.as_os_str().as_bytes();
        let path = path.to_owned();
        let address = match bytes {
            [] => return Err(PathError::Empty),
            [0, name @ ..] => {
                check_len(name, &path)?;
                abstract_address(name)?
            }
            [_, rest @ ..] if rest.contains(&0) => return Err(PathError::NulInPath { path }),
            _ => {
                check_len(bytes, &path)?;
                SocketAddrUnix::new(bytes).expect("length and NUL bytes were checked")
            }
        };
        Ok(SocketPath { path, address })
    }

    pub(crate) fn is_abstract(&self) -> bool {
        self.path.as_os_str().as_bytes().first() == Some(&0)
    }
}

fn check_len(name: &[u8], path: &Path) -> Result<(), PathError> {
    let length = name.len();
    if length > LONGEST {
        return Err(PathError::TooLong { path: path.to_owned(), length, limit: LONGEST });
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> Result<SocketAddrUnix, PathError> {
    Ok(SocketAddrUnix::new_abstract_name(name).expect("the length was checked"))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_: &[u8]) -> Result<SocketAddrUnix, PathError> {
    Err(PathError::AbstractUnsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &[u8]) -> Result<SocketPath, PathError> {
        SocketPath::new(Path::new(std::ffi::OsStr::from_bytes(path)))
    }

    #[test]
    fn the_longest_path_is_accepted_and_one_byte_more_is_not() {
        let path = vec![b'a'; LONGEST];
        assert_eq!(check(&path).unwrap().address, SocketAddrUnix::new(&path[..]).unwrap());
        let error = check(&[&path[..], b"b"].concat()).unwrap_err();
        assert!(matches!(
            error,
            PathError::TooLong { length, limit: LONGEST, .. } if length == LONGEST + 1
        ));
        for figure in [LONGEST, LONGEST + 1] {
            assert!(error.to_string().contains(&figure.to_string()), "{error}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_limit_on_linux_is_107_bytes_for_paths_and_abstract_names() {
        assert_eq!(LONGEST, 107);
        let name = [&[0][..], &[b'a'; 107]].concat();
        assert!(check(&name).unwrap().is_abstract());
        let error = check(&[&name[..], b"b"].concat()).unwrap_err();
        assert!(matches!(error, PathError::TooLong { length: 108, limit: 107, .. }), "{error:?}");
        assert!(error.to_string().contains("@aaa"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nul_bytes_are_part_of_an_abstract_name() {
        let checked = check(b"\0a\0b\0").unwrap();
        assert_eq!(checked.address.abstract_name(), Some(&b"a\0b\0"[..]));
    }

    #[test]
    fn an_empty_path_and_a_nul_byte_inside_a_path_are_refused() {
        assert_eq!(check(b"").unwrap_err(), PathError::Empty);
        let error = check(b"/run/a\0b").unwrap_err();
        assert!(matches!(error, PathError::NulInPath { .. }), "{error:?}");
        assert!(error.to_string().contains(r"a\0b"), "{error}");
        assert!(!check(b"relative").unwrap().is_abstract());
    }

    #[test]
    fn conversion_into_an_io_error_keeps_the_kind() {
        for (error, kind) in [
            (PathError::Empty, io::ErrorKind::InvalidInput),
            (PathError::AbstractUnsupported, io::ErrorKind::Unsupported),
        ] {
            assert_eq!(io::Error::from(error).kind(), kind);
        }
    }
}
