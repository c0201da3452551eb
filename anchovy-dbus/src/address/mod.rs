//! Where a server is, in the words of D-Bus.
//!
//! An address names a transport and what that transport needs to know; a list of them names several
//! ways to the same server, of which the first that works is taken (D-Bus Specification, "Server
//! Addresses"). Such texts come from the environment and from command lines, so they may be wrong
//! in any way, and some name what this crate does not speak, or where one can listen but nobody can
//! connect. What is wrong is found while reading, what cannot be used is found while using: a list
//! with one usable address stays usable.

pub(crate) mod addresses;
pub(crate) mod bind;
mod bus;
pub(crate) mod bus_error;
pub(crate) mod connect;
pub(crate) mod connect_error;
pub(crate) mod construct;
mod environment;
mod error;
mod escape;
mod format;
pub(crate) mod invalid_addresses;
pub(crate) mod listen_error;
mod other_transport;
mod parse;
mod piece;
mod random_name;
mod sources;
mod transport;

pub use addresses::Addresses;
pub use bind::Bound;
pub use bus_error::{BusAddressError, RuntimeSocketProblem};
pub use connect::Connected;
pub use connect_error::{ConnectAttempt, ConnectError, ConnectErrorKind};
pub use construct::Address;
pub use error::AddressError;
pub use invalid_addresses::InvalidAddresses;
pub use listen_error::{ListenAttempt, ListenError, ListenErrorKind};
pub use other_transport::OtherTransport;
pub use transport::Transport;
