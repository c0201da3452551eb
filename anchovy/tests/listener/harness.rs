//! The common code of the tests: the harness of the workspace, and functions for listeners.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Command;

use anchovy::{AnchovyListener, AnchovyStream, DBUS_SCM_RIGHTS, ListenerBuilder};
use rustix::fs::Mode;
use rustix::process::umask;

pub(crate) use interop_tests::*;

pub(crate) type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;
pub(crate) type Listener = AnchovyListener<DBUS_SCM_RIGHTS>;

pub(crate) fn builder() -> ListenerBuilder<DBUS_SCM_RIGHTS> {
    Listener::builder()
}

/// Returns the names in a directory, in order.
pub(crate) fn names(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> = entries(directory.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Leaves a stale socket at the path, as a server that was killed does.
pub(crate) fn leave_stale(path: &Path) {
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
}

/// Connects a blocking client.
pub(crate) fn client(path: &Path) -> StdUnixStream {
    StdUnixStream::connect(path).unwrap()
}

/// Sets the umask of this process until it is dropped. Tests run one at a time.
pub(crate) struct Umask(Mode);

impl Umask {
    pub(crate) fn new(mask: u32) -> Umask {
        Umask(umask(Mode::from_raw_mode(mask)))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        umask(self.0);
    }
}

/// The environment variable that makes a test program run a test as a child.
const CHILD: &str = "ANCHOVY_TEST_CHILD";

/// Returns a command that runs one test of this program as a child, where [`child_argument`]
/// returns `argument`.
pub(crate) fn child_command(test: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(CHILD, argument);
    command
}

/// Returns the argument of [`child_command`] in the child.
pub(crate) fn child_argument() -> Option<String> {
    std::env::var(CHILD).ok()
}
