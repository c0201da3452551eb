//! Where a server is, in the words of D-Bus.
//!
//! An address names a transport and what that transport needs to know; a list of them names several
//! ways to the same server, of which the first that works is taken (D-Bus Specification, "Server
//! Addresses"). Such texts come from the environment and from command lines, so they may be wrong
//! in any way, and some name what this crate does not speak, or where one can listen but nobody can
//! connect. What is wrong is found while reading, what cannot be used is found while using: a list
//! with one usable address stays usable.

pub(crate) mod addresses;
mod bus;
mod bus_error;
pub(crate) mod connect;
pub(crate) mod construct;
mod environment;
mod error;
mod escape;
mod format;
pub(crate) mod listen;
mod other_transport;
mod parse;
mod piece;
mod socket;
#[cfg(test)]
mod test_directory;
mod transport;

pub use addresses::Addresses;
pub use bus_error::{BusAddressError, RuntimeSocketProblem};
pub use connect::{ConnectError, ConnectFailure, Connected, FailedConnect};
pub use construct::Address;
pub use error::AddressError;
pub use listen::{Bound, FailedListen, ListenError, ListenFailure, SocketFile};
pub use other_transport::OtherTransport;
pub use transport::Transport;
