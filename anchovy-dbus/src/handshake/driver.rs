//! A handshake over a socket.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::time::Duration;

use anchovy::FdError;
use bytes::Bytes;
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::machine::Machine;
use crate::auth::error::HandshakeError;
use crate::socket::Socket;

/// Maximum number of bytes of one receive. Lines are short.
const READ: usize = 2 << 10;

/// The state machine of a handshake, and its socket.
#[derive(Debug)]
pub(crate) struct Driver<M> {
    pub(crate) socket: Socket,
    pub(crate) machine: M,
    /// Bytes that are sent in one write with the first output of the state machine, after it.
    pub(crate) trailing: Bytes,
    deadline: Instant,
    timeout: Duration,
}

impl<M: Machine> Driver<M> {
    pub(crate) fn new(socket: Socket, machine: M, timeout: Duration) -> Driver<M> {
        let now = Instant::now();
        // A timeout that overflows the clock is replaced by one year.
        let far = now + Duration::from_secs(60 * 60 * 24 * 365);
        let deadline = now.checked_add(timeout).unwrap_or(far);
        Driver { socket, machine, trailing: Bytes::new(), deadline, timeout }
    }

    /// Sends the output of the state machine, and receives until `step` has an outcome.
    pub(crate) async fn until<T>(
        &mut self,
        step: impl FnMut(&mut M) -> Result<Option<T>, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        let after = self.timeout;
        match timeout_at(self.deadline, self.drive(step)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HandshakeError::TimedOut { after }),
        }
    }

    async fn drive<T>(
        &mut self,
        mut step: impl FnMut(&mut M) -> Result<Option<T>, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        loop {
            let outcome = step(&mut self.machine);
            let mut output = self.machine.take_output();
            if !output.is_empty() {
                output.extend_from_slice(&mem::take(&mut self.trailing));
                self.machine.before_output(&self.socket);
                if outcome.is_err() {
                    let _ = self.socket.try_write(&output);
                } else {
                    self.socket.write_all(&output).await.map_err(|error| self.failed(error))?;
                }
            }
            if let Some(outcome) = outcome? {
                return Ok(outcome);
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), HandshakeError> {
        let mut bytes = [0; READ];
        let mut buf = ReadBuf::new(&mut bytes);
        let received = poll_fn(|cx| self.socket.poll_recv(cx, &mut buf)).await;
        let received = received.map_err(|error| self.failed(error))?;
        if received.bytes == 0 {
            return Err(self.closed());
        }
        let fds = self.socket.read_queue_mut().drain(..).collect();
        self.machine.receive(&bytes[..received.bytes], fds);
        Ok(())
    }

    fn failed(&self, error: io::Error) -> HandshakeError {
        match (self.socket.read_error(), error.kind()) {
            (Some(FdError::TooManyReceived { count, limit: 0, .. }), _) => {
                HandshakeError::Descriptors { count }
            }
            (Some(FdError::TooManyReceived { count, limit, .. }), _) => {
                HandshakeError::TooManyFds { count, limit }
            }
            (Some(FdError::OverBudget { count, available }), _) => {
                HandshakeError::FdsOverBudget { count, available }
            }
            // A peer that closes before it has read everything resets the connection.
            (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => self.closed(),
            _ => HandshakeError::Io(error),
        }
    }

    fn closed(&self) -> HandshakeError {
        HandshakeError::Closed { pipelined: self.machine.is_pipelined() }
    }
}
