//! D-Bus over Unix sockets, for tokio: whole messages with exactly their descriptors.
#![forbid(unsafe_code)]

mod address;
mod guid;
mod limits;
mod message;
mod random;

pub use address::{
    Address, AddressError, Addresses, Bound, BusAddressError, ConnectError, ConnectFailure,
    Connected, FailedConnect, FailedListen, ListenError, ListenFailure, OtherTransport,
    RuntimeSocketProblem, SocketFile, Transport,
};
pub use guid::{Guid, GuidError};
pub use limits::{HandshakeLimits, INTEROPERABLE_FDS, Limits, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES};
pub use message::{
    ByteOrder, FieldError, Flags, Header, HeaderField, Message, MessageBuilder, MessageError,
    MessageType, Refused, SignatureError,
};
