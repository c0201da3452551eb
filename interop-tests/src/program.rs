//! Peers that report their progress on the standard output.

use std::io::BufRead;
use std::process::{ChildStdout, Command, Stdio};

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;

use crate::Peer;

/// A program whose output can be awaited line by line. It is killed when this is dropped.
///
/// Its standard error is inherited.
#[derive(Debug)]
#[must_use = "the process is killed when this is dropped"]
pub struct Program {
    name: String,
    stdout: BufReader<Receiver>,
    /// Bytes that were read while a caller waited for the end. The caller may have been canceled.
    rest: Vec<u8>,
    peer: Peer,
}

impl Program {
    /// Starts a program, on a runtime.
    pub fn start(command: &mut Command) -> Program {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut peer = Peer::start(command.stdout(Stdio::piped()));
        let stdout = peer.take_stdout().expect("the pipe that was asked for");
        let stdout = Receiver::from_owned_fd(stdout.into()).expect("a pipe");
        Program { name, stdout: BufReader::new(stdout), rest: Vec::new(), peer }
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.peer.id()
    }

    /// Returns the next line of the output.
    ///
    /// # Panics
    ///
    /// Panics if the output has ended.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).await.expect("text");
        match line.strip_suffix('\n') {
            Some(line) => line.to_owned(),
            None => panic!("{} ended with {}", self.name, self.peer.wait()),
        }
    }

    /// Returns the next byte of the output.
    ///
    /// # Panics
    ///
    /// Panics if the output has ended.
    pub async fn byte(&mut self) -> u8 {
        match self.stdout.read_u8().await {
            Ok(byte) => byte,
            Err(_) => panic!("{} ended with {}", self.name, self.peer.wait()),
        }
    }

    /// Waits until the program has ended, and returns the lines that were not read yet. A canceled
    /// call can be repeated.
    ///
    /// # Panics
    ///
    /// Panics if the program has failed.
    pub async fn ended(&mut self) -> Vec<String> {
        loop {
            let chunk = self.stdout.fill_buf().await.expect("a pipe");
            let count = chunk.len();
            if count == 0 {
                break;
            }
            self.rest.extend_from_slice(chunk);
            self.stdout.consume(count);
        }
        let rest = String::from_utf8_lossy(&self.rest);
        let status = self.peer.wait();
        assert!(status.success(), "{} ended with {status} and said:\n{rest}", self.name);
        rest.lines().map(str::to_owned).collect()
    }
}

/// A program whose output is read line by line without a runtime. Reading blocks the thread.
#[derive(Debug)]
#[must_use = "the process is killed when this is dropped"]
pub struct BlockingProgram {
    /// The process.
    pub peer: Peer,
    stdout: std::io::BufReader<ChildStdout>,
}

impl BlockingProgram {
    /// Starts a program.
    pub fn start(command: &mut Command) -> BlockingProgram {
        let mut peer = Peer::start(command.stdout(Stdio::piped()));
        let stdout = peer.take_stdout().expect("the pipe that was asked for");
        BlockingProgram { peer, stdout: std::io::BufReader::new(stdout) }
    }

    /// Returns the next line of the output.
    ///
    /// # Panics
    ///
    /// Panics if the output has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.strip_suffix('\n').expect("a whole line, for it has not ended").to_owned()
    }

    /// Returns the next line of the output that contains `part`.
    ///
    /// # Panics
    ///
    /// Panics if the output has ended.
    pub fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends a signal to the program. Returns its exit status, or `None` if a signal ended it.
    pub fn end_with(&mut self, signal: Signal) -> Option<i32> {
        self.peer.signal(signal);
        self.peer.wait().code()
    }
}
