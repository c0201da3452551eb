//! What the tests share: the harness of the workspace, and what only listeners need.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Command;

use anchovy::{AnchovyListener, AnchovyStream, DBUS_SCM_RIGHTS, ListenerBuilder};

pub(crate) use interop_tests::*;

pub(crate) type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;
pub(crate) type Listener = AnchovyListener<DBUS_SCM_RIGHTS>;

pub(crate) fn builder() -> ListenerBuilder<DBUS_SCM_RIGHTS> {
    Listener::builder()
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> = entries(directory.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Leaves a socket behind, as a server that was killed does.
pub(crate) fn leave_stale(path: &Path) {
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
}

/// Connects a blocking client.
pub(crate) fn client(path: &Path) -> StdUnixStream {
    StdUnixStream::connect(path).unwrap()
}

/// The name of the variable that makes a test the child of itself.
const CHILD: &str = "ANCHOVY_TEST_CHILD";

/// A command that runs one test of this program as a child; [`child_argument`] returns `argument`
/// there.
pub(crate) fn child_command(test: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(CHILD, argument);
    command
}

/// What [`child_command`] was told, in the child.
pub(crate) fn child_argument() -> Option<String> {
    std::env::var(CHILD).ok()
}
