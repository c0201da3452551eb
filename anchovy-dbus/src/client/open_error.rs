//! Errors of connecting.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;

use crate::address::bus_error::BusAddressError;
use crate::address::connect_error::ConnectError;
use crate::address::construct::Address;
use crate::address::invalid_addresses::InvalidAddresses;
use crate::auth::error::HandshakeError;
use crate::error::call_error::CallError;
use crate::error::send_error::SendError;

/// The error of connecting to a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The string is not a valid list of addresses.
    Address(InvalidAddresses),
    /// The environment variables do not name a bus.
    Bus(BusAddressError),
    /// No address accepted a connection.
    Connect(ConnectError),
    /// An address accepted the connection, and the handshake failed.
    Handshake {
        /// The address.
        address: Address,
        /// The error of the handshake.
        error: HandshakeError,
    },
    /// The message of [`connect_and_send`](crate::Client::connect_and_send) was not sent.
    First(SendError),
    /// Calling `Hello` failed.
    Hello(CallError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Address(error) => error.fmt(f),
            OpenError::Bus(error) => error.fmt(f),
            OpenError::Connect(error) => error.fmt(f),
            OpenError::Handshake { address, error } => write!(f, "{address}: {error}"),
            OpenError::First(error) => error.fmt(f),
            OpenError::Hello(error) => write!(f, "calling Hello failed: {error}"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text of this error contains their texts.
            OpenError::Address(error) => error.source(),
            OpenError::Bus(error) => error.source(),
            OpenError::Connect(error) => error.source(),
            OpenError::Handshake { error, .. } => error.source(),
            OpenError::First(error) => error.source(),
            OpenError::Hello(error) => error.source(),
        }
    }
}

impl From<InvalidAddresses> for OpenError {
    fn from(error: InvalidAddresses) -> OpenError {
        OpenError::Address(error)
    }
}

impl From<BusAddressError> for OpenError {
    fn from(error: BusAddressError) -> OpenError {
        OpenError::Bus(error)
    }
}

/// For addresses whose conversion cannot fail.
impl From<Infallible> for OpenError {
    fn from(never: Infallible) -> OpenError {
        match never {}
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> io::Error {
        let kind = match error {
            OpenError::Address(error) => return error.into(),
            OpenError::Bus(error) => return error.into(),
            OpenError::Connect(error) => return error.into(),
            OpenError::First(error) => return error.into(),
            OpenError::Handshake { ref error, .. } => error.io_kind(),
            OpenError::Hello(ref error) => error.io_kind(),
        };
        io::Error::new(kind, error)
    }
}
