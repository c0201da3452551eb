//! Programs whose output is a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::Peer;

/// Runs a program whose standard output and standard error are a terminal, and returns its output.
///
/// # Panics
///
/// Panics if the program fails.
pub fn terminal_output(command: &mut Command) -> String {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&controller).expect("this process has opened it");
    unlockpt(&controller).expect("this process has opened it");
    let name = ptsname(&controller, Vec::new()).expect("a name");
    let name = std::ffi::OsStr::from_bytes(name.to_bytes());
    let terminal = OpenOptions::new().read(true).write(true).open(name).expect("the other end");
    command.stdout(terminal.try_clone().expect("a free descriptor")).stderr(terminal);
    let mut peer = Peer::start(command);
    // Otherwise the command would keep the terminal open, and reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (mut controller, mut output) = (File::from(controller), Vec::new());
    match controller.read_to_end(&mut output) {
        Ok(_) => {}
        // The end of the output, for a terminal that no process has open (pty(7): EIO).
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {}
        Err(error) => panic!("reading from a terminal: {error}"),
    }
    let output = String::from_utf8_lossy(&output).into_owned();
    assert!(peer.wait().success(), "{output}");
    output
}
