//! The interface of a state machine for the driver.

use std::os::fd::OwnedFd;

use anchovy::codec::FdSet;
use bytes::BytesMut;

use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::socket::Socket;

/// One side of a handshake.
pub(crate) trait Machine {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>);
    fn take_output(&mut self) -> BytesMut;
    fn into_rest(self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError>;

    /// Returns whether everything that this side sends has been queued.
    fn is_pipelined(&self) -> bool;

    /// Is called before output is sent.
    fn before_output(&mut self, socket: &Socket);
}

impl Machine for ClientAuth {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.receive(bytes, fds);
    }

    fn take_output(&mut self) -> BytesMut {
        self.take_output()
    }

    fn into_rest(self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError> {
        self.into_rest()
    }

    fn is_pipelined(&self) -> bool {
        self.is_pipelined()
    }

    fn before_output(&mut self, _: &Socket) {}
}
