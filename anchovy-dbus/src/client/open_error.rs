//! Errors of connecting.

use std::error::Error;
use std::fmt;

use crate::address::connect_error::ConnectError;
use crate::address::construct::Address;
use crate::auth::error::HandshakeError;
use crate::error::send_error::SendError;

/// Why a client is not connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// No address could be reached.
    Connect(ConnectError),
    /// One was reached, and the handshake came to nothing.
    Handshake {
        /// Which one.
        address: Address,
        /// Why.
        error: HandshakeError,
    },
    /// The message of [`connect_and_send`](crate::Client::connect_and_send) was not sent.
    First(SendError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Connect(error) => error.fmt(f),
            OpenError::Handshake { address, error } => write!(f, "{address}: {error}"),
            OpenError::First(error) => error.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Connect(error) => error.source(),
            OpenError::Handshake { error, .. } => error.source(),
            OpenError::First(error) => error.source(),
        }
    }
}
