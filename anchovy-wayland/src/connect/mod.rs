//! From what a client was told of its compositor to a connection.
//!
//! A client may have been given a connection already, or a name, or nothing. What it was told most
//! directly counts, and only that: a client that was given a socket and looked for a display all the
//! same would appear where nobody expects it.

pub(crate) mod connect_error;
pub(crate) mod connected;
pub(crate) mod connector;
pub(crate) mod inherited_error;
mod inherited_fd;
mod inherited_socket;
pub(crate) mod origin;

pub use connect_error::ConnectError;
pub use connected::Connected;
pub use connector::{Connector, connect};
pub use inherited_error::InheritedError;
pub use inherited_socket::without_inherited_socket;
pub use origin::Origin;
