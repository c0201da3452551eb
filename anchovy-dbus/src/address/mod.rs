//! Server addresses.
//!
//! An address names a transport and its parameters. A list contains alternatives, of which the first
//! usable one is taken (D-Bus Specification, "Server Addresses"). Syntax errors are reported by the
//! parser. An address with an unsupported transport is reported when it is used, so a list with one
//! usable address stays usable.

pub(crate) mod addresses;
pub(crate) mod bind;
mod bus;
pub(crate) mod bus_error;
pub(crate) mod connect;
pub(crate) mod connect_error;
pub(crate) mod construct;
mod environment;
pub(crate) mod error;
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
