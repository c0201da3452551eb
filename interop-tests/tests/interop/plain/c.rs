//! A C program at the other end, compiled here.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use interop_tests::{Directory, Program, Scenario, Transcript, runtime};

use super::*;

pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::new("descriptors_are_sent_to_the_peer_and_returned", there_and_back)];

fn there_and_back(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let program = directory.join("echo");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scripts/echo.c");
        let status = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &source])
            .status()
            .expect("a compiler");
        assert!(status.success(), "it does not compile");

        let (near, far) = UnixStream::pair().expect("a pair");
        let echo = Program::start(Command::new(&program).stdin(OwnedFd::from(far)));
        let mut stream = Stream::new(near).expect("a socket");
        exchange(&mut stream, &[0, 1, 2, 3, 16, 252, 253], transcript).await;
        hang_up(stream, echo).await;
    });
}
