//! Wayland over Unix sockets.
#![deny(unsafe_code)]
mod codec;
mod connection;
mod error;
mod limits;
mod wire;

pub use codec::Signatures;
pub use connection::{Connection, ConnectionParts, ReadHalf, WriteHalf};
pub use error::{Place, ReceiveError, SendError, SendFault, WireError, WireFault};
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use wire::{Arguments, BuildError, Fixed, Message, MessageBuilder, ObjectId};
