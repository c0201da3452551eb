//! A foreign peer in a separate process, which runs a Python script.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

/// Runs a Python script whose standard input is a socket, and returns its output.
///
/// In the script, `s` is the socket, and `socket`, `os` and `sys` are imported.
pub fn python(socket: OwnedFd, script: &str) -> String {
    let script = format!("import socket, os, sys\ns = socket.socket(fileno=0)\n{script}");
    let output = Command::new("python3")
        .args(["-c", &script])
        .stdin(socket)
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 is installed");
    assert!(output.status.success(), "the script failed: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Enables `SO_PASSPIDFD`: every message carries a pidfd of its sender.
///
/// The option belongs to the socket, so another process can set it. rustix does not support it.
pub fn switch_pidfds_on(socket: impl AsFd) {
    let socket = socket.as_fd().try_clone_to_owned().expect("room for a descriptor");
    python(socket, "s.setsockopt(socket.SOL_SOCKET, 76, 1)");
}
