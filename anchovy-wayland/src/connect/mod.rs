//! Connecting to a compositor.
//!
//! A client may have inherited a socket, or have a name, or neither. Only the first of these that is there
//! is used: a client that inherited a socket and connected to another display would appear on a screen
//! where its user does not expect it.

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
