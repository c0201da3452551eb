//! The socket in `WAYLAND_SOCKET`, and programs that must not inherit it.

use std::process::Command;

use anchovy_wayland::without_inherited_socket;
use interop_tests::guarded;

#[test]
fn without_inherited_socket_removes_the_variable() {
    guarded(|| {
        let mut command = Command::new("sh");
        command.args(["-c", "echo ${WAYLAND_SOCKET-none}"]).env("WAYLAND_SOCKET", "7");
        let said = without_inherited_socket(&mut command).output().unwrap().stdout;
        assert_eq!(String::from_utf8(said).unwrap(), "none\n");
    });
}
