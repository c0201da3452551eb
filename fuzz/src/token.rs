//! Descriptors that can be recognized, and of which the last copy is known to be closed.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::fstat;
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

/// The read end of a pipe, whose write end is given out.
#[derive(Debug)]
pub(crate) struct Token {
    reader: OwnedFd,
    identity: u64,
}

impl Token {
    /// Creates a token and the descriptor to give out.
    pub(crate) fn new() -> (Token, OwnedFd) {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reader, writer) = pipe_with(flags).expect("a pipe");
        let identity = identity(&writer);
        (Token { reader, identity }, writer)
    }

    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns whether every copy of the descriptor is closed.
    pub(crate) fn is_closed(&self) -> bool {
        match read(&self.reader, &mut [0; 1]) {
            Ok(0) => true,
            Err(Errno::AGAIN) => false,
            other => panic!("nothing is written to the pipe: {other:?}"),
        }
    }
}

/// Returns the number that all copies of a descriptor have in common.
pub(crate) fn identity(fd: impl AsFd) -> u64 {
    fstat(fd).expect("an open descriptor").st_ino
}
