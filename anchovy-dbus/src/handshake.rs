//! A machine of the handshake and a socket: what arrives goes in, what comes out is sent, until the
//! machine has what was asked of it or the time is up.
//!
//! A machine that fails may still have something to say; it is sent if there is room for it at
//! once, and nobody waits.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::ready;
use std::time::Duration;

use anchovy::codec::FdSet;
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS, FdError};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

use crate::auth::{ClientAuth, HandshakeError, ServerAuth};
use crate::budget::Meter;

/// A socket with room for as many descriptors as Linux carries.
pub(crate) type Socket = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Lines are short.
const READ: usize = 2 << 10;

pub(crate) trait Machine {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>);
    fn take_output(&mut self) -> BytesMut;
    fn into_rest(self) -> (BytesMut, Vec<FdSet>);

    /// Is everything that will be said under way already?
    fn is_pipelined(&self) -> bool;

    /// Called before what the machine says is sent.
    fn before_output(&self, socket: &Socket);
}

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Driver<M> {
    pub(crate) socket: Socket,
    pub(crate) machine: M,
    /// Bytes that leave in one write with what the machine says first, and behind it.
    pub(crate) behind: Bytes,
    /// What arrives is charged to the peer, on a server that has a budget.
    pub(crate) meter: Option<Meter>,
    deadline: Instant,
    patience: Duration,
}

impl<M: Machine> Driver<M> {
    pub(crate) fn new(socket: Socket, machine: M, patience: Duration) -> Driver<M> {
        let now = Instant::now();
        // A time that no clock reaches is no deadline, in effect.
        let far = now + Duration::from_secs(60 * 60 * 24 * 365);
        let deadline = now.checked_add(patience).unwrap_or(far);
        Driver { socket, machine, behind: Bytes::new(), meter: None, deadline, patience }
    }

    /// Sends what the machine has to say, and receives until `step` has an outcome.
    pub(crate) async fn until<T>(
        &mut self,
        step: impl FnMut(&mut M) -> Result<Option<T>, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        let after = self.patience;
        match tokio::time::timeout_at(self.deadline, self.go_on(step)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HandshakeError::TimedOut { after }),
        }
    }

    async fn go_on<T>(
        &mut self,
        mut step: impl FnMut(&mut M) -> Result<Option<T>, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        loop {
            let outcome = step(&mut self.machine);
            let mut output = self.machine.take_output();
            if !output.is_empty() {
                output.extend_from_slice(&std::mem::take(&mut self.behind));
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
        let Driver { socket, meter, .. } = self;
        let received = poll_fn(|cx| {
            let Some(meter) = meter else { return socket.poll_recv_with_fds(cx, &mut buf) };
            let receiving = ready!(meter.poll_receive(cx));
            let outcome = socket.poll_recv_with_fds(cx, &mut buf);
            receiving.settle(socket.read_queue().len(), 0);
            outcome
        });
        let received = received.await;
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
            // Who closes before it has read everything resets the connection.
            (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => self.closed(),
            _ => HandshakeError::Io(error),
        }
    }

    fn closed(&self) -> HandshakeError {
        HandshakeError::Closed { pipelined: self.machine.is_pipelined() }
    }
}

impl Machine for ClientAuth {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.receive(bytes, fds);
    }

    fn take_output(&mut self) -> BytesMut {
        self.take_output()
    }

    fn into_rest(self) -> (BytesMut, Vec<FdSet>) {
        self.into_rest()
    }

    fn is_pipelined(&self) -> bool {
        self.is_pipelined()
    }

    fn before_output(&self, _: &Socket) {}
}

/// The server's machine, and what it has its kernel do.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) auth: ServerAuth,
    /// Descriptors are refused by the kernel while they are not agreed on (`SO_PASSRIGHTS`).
    pub(crate) kernel_refuses: bool,
}

impl Machine for Serving {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.auth.receive(bytes, fds);
    }

    fn take_output(&mut self) -> BytesMut {
        self.auth.take_output()
    }

    fn into_rest(self) -> (BytesMut, Vec<FdSet>) {
        self.auth.into_rest()
    }

    fn is_pipelined(&self) -> bool {
        false
    }

    /// A client that has read AGREE_UNIX_FD may send descriptors at once, so they have to pass by
    /// then; and no longer once it has read that the agreement is off.
    fn before_output(&self, socket: &Socket) {
        if self.kernel_refuses {
            refuse_fds(socket, !self.auth.unix_fds());
        }
    }
}

/// Has the kernel refuse descriptors, or carry them again, where it can.
pub(crate) fn refuse_fds(socket: &Socket, refuse: bool) {
    // A kernel that cannot refuse carries them, and then they are refused here.
    let _ = socket.set_fd_passing(!refuse);
}
