//! The message bus of the reference implementation.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peer::text;
use crate::{Directory, Peer};

/// A `dbus-daemon` of a test, which is killed when this is dropped.
///
/// It is configured like a session bus: for one user, with all permissions, and with the built-in
/// limits. It listens in its own directory, reads only its own configuration and starts no
/// services. The session of the user is not used or changed.
#[derive(Debug)]
#[must_use = "the daemon is killed when this is dropped"]
pub struct DbusDaemon {
    address: String,
    path: PathBuf,
    // The order matters: the daemon ends before its directory is removed.
    _peer: Peer,
    _directory: Directory,
}

impl DbusDaemon {
    /// Starts a daemon, and returns when it listens.
    pub fn start() -> DbusDaemon {
        let directory = Directory::new();
        let path = directory.join("bus");
        let (configuration, log) = (directory.join("configuration"), directory.join("log"));
        std::fs::write(&configuration, configuration_of(&path)).expect("a file in our directory");

        let mut peer = Peer::start(
            Command::new("dbus-daemon")
                .arg(format!("--config-file={}", configuration.display()))
                .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(File::create(&log).expect("a file in our directory")),
        );
        // The daemon prints its address when it listens, and nothing else.
        let mut address = String::new();
        let stdout = peer.take_stdout().expect("the pipe that was asked for");
        BufReader::new(stdout).read_line(&mut address).expect("an address is text");
        let Some(address) = address.strip_suffix('\n').map(str::to_owned) else {
            panic!("dbus-daemon ended with {}: {}", peer.wait(), text(&log));
        };
        DbusDaemon { address, path, _peer: peer, _directory: directory }
    }

    /// Returns the address that the daemon printed, `unix:path=…,guid=…`, as in
    /// `DBUS_SESSION_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn configuration_of(socket: &Path) -> String {
    let address = escaped(socket);
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#
    )
}

/// Escapes a path for an address. The bytes that need no escape have no special meaning in XML
/// either.
fn escaped(path: &Path) -> String {
    let mut value = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'.' => {
                value.push(char::from(*byte));
            }
            _ => write!(value, "%{byte:02x}").expect("room for text"),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::guarded;

    /// Returns the answers to a complete handshake of a client.
    fn handshake(daemon: &DbusDaemon) -> [String; 3] {
        let mut socket = UnixStream::connect(daemon.path()).unwrap();
        let words = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        socket.write_all(words).unwrap();
        let mut answers = BufReader::new(socket);
        [(); 3].map(|()| {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            line.strip_suffix("\r\n").expect("a whole line").to_owned()
        })
    }

    #[test]
    fn a_daemon_identifies_its_user_and_agrees_to_pass_descriptors() {
        guarded(|| {
            let daemon = DbusDaemon::start();
            let [data, ok, agreed] = handshake(&daemon);
            let guid = ok.strip_prefix("OK ").unwrap();
            assert_eq!((&*data, &*agreed), ("DATA", "AGREE_UNIX_FD"));
            let path = escaped(daemon.path());
            assert_eq!(daemon.address(), format!("unix:path={path},guid={guid}"));
        });
    }

    #[test]
    fn several_daemons_run_independently() {
        guarded(|| {
            let (one, other) = (DbusDaemon::start(), DbusDaemon::start());
            assert_ne!(one.address(), other.address());
            assert_ne!(handshake(&one)[1], handshake(&other)[1], "the guids");
        });
    }

    #[test]
    fn a_daemon_that_is_dropped_leaves_neither_connections_nor_files() {
        guarded(|| {
            let daemon = DbusDaemon::start();
            let mut socket = UnixStream::connect(daemon.path()).unwrap();
            let directory = daemon.path().parent().unwrap().to_owned();
            drop(daemon);
            // If the connection was not accepted yet, it is reset.
            let end = socket.read(&mut [0; 1]).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
            assert!(!directory.exists());
        });
    }

    #[test]
    fn a_path_is_escaped_for_addresses_and_for_xml() {
        assert_eq!(
            escaped(Path::new("/tmp/a-b_c.d/é <&;,+")),
            "/tmp/a-b_c.d/%c3%a9%20%3c%26%3b%2c%2b"
        );
    }
}
