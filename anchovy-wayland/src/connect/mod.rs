//! Connecting to a compositor.
//!
//! A client uses the inherited socket if there is one, or else the name of a display. It does not fall
//! back to another display, because its windows would appear on a screen where the user does not expect
//! them.

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
