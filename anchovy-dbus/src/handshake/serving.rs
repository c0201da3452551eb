//! The server's side of a handshake.

use std::os::fd::OwnedFd;

use anchovy::codec::FdSet;
use bytes::BytesMut;

use super::machine::Machine;
use crate::auth::error::HandshakeError;
use crate::auth::server::ServerAuth;
use crate::socket::{Socket, set_fd_passing};

/// The server's state machine, and the socket options that depend on it.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) auth: ServerAuth,
    /// Whether the kernel refuses descriptors until they are agreed on (`SO_PASSRIGHTS`).
    pub(crate) kernel_refuses: bool,
    /// Whether descriptor passing is enabled on the socket.
    pub(crate) fds_pass: bool,
}

impl Machine for Serving {
    fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.auth.receive(bytes, fds);
    }

    fn take_output(&mut self) -> BytesMut {
        self.auth.take_output()
    }

    fn into_rest(self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError> {
        self.auth.into_rest()
    }

    fn is_pipelined(&self) -> bool {
        false
    }

    /// A client can send descriptors as soon as it has read AGREE_UNIX_FD, so descriptor passing is
    /// enabled before that is sent. It is disabled before REJECTED is sent.
    fn before_output(&mut self, socket: &Socket) {
        let agreed = self.auth.unix_fds();
        if self.kernel_refuses && agreed != self.fds_pass {
            set_fd_passing(socket, agreed);
            self.fds_pass = agreed;
        }
    }
}
