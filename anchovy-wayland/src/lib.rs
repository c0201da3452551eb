//! Wayland over Unix sockets, for [tokio]: whole messages with exactly their descriptors.
//!
//! A transport, not bindings: it connects and listens as libwayland does, moves requests and events,
//! reads and writes their arguments, and shakes hands over the registry. What the arguments of which
//! interface are is in protocol files, and is its user's.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use anchovy_wayland::{ClientIds, Connection, Limits, connect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = connect().await?.stream;
//! let mut compositor = Connection::new(socket, |_, _| 0, Limits::client())?;
//! let registry = compositor.registry(&mut ClientIds::new(), Duration::from_secs(5)).await?;
//! for global in registry.globals() {
//!     println!("{} {}", global.interface, global.version);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | reach the compositor | [`connect()`], [`Connector`] |
//! | be one | [`Listener`], with [`Limits::server`] for each connection |
//! | make messages, and read their arguments | [`Message`], [`Arguments`] |
//! | send and receive | [`Connection`], whole or in halves |
//! | say how many descriptors a message has | [`Signatures`], [`fds`] |
//! | know what a compositor has | [`Connection::registry`], [`Registry`] |
//! | answer who asks that | [`Globals`], [`Registries`] |
//! | say or hear what went wrong | [`DisplayError`] |
//!
//! # Which message has which descriptors
//!
//! Descriptors are a queue beside the bytes, and a message takes as many off it as its arguments of
//! type `fd`. Only the protocol file says how many these are, so receiving asks its user, message by
//! message ([`Signatures`]). A message then arrives with exactly its descriptors, and closes when it
//! is dropped what was not taken out of it.
//!
//! Descriptors may arrive earlier than their message, and do: libwayland sends them as early as it
//! can. The protocol's documentation would have them arrive later, too; libwayland takes none that
//! do, and neither do we.
//!
//! # Handling of protocol violations
//!
//! "Ends" means that [`receive`](Connection::receive) returns that [`ReceiveError`], with the object
//! and the opcode of the message in it, and that everything that had arrived is closed. A server can
//! tell its client first ([`DisplayError::from_receive_error`]). What the arguments are is checked
//! when they are read, by whoever reads them ([`Arguments`]).
//!
//! | the peer sends | it gets |
//! |---|---|
//! | a message without a descriptor that it has | [`MissingFds`](ReceiveError::MissingFds) ends |
//! | its descriptor in a later `sendmsg` | the same: what is not there with the message will not be waited for; what is there before we read is not late, for the kernel hands it over with the message |
//! | its descriptor in an earlier `sendmsg`, or with a byte of its header | the message with its descriptor |
//! | a burst with more than 28 descriptors in one `sendmsg` | [`TooManyFds`](ReceiveError::TooManyFds) ends |
//! | one byte with 28 descriptors, and the rest with 12 | each message with its own |
//! | descriptors that no message claims | [`TooManyWaitingFds`](ReceiveError::TooManyWaitingFds) ends, at more than 1024 of them ([servers](Limits::server): 112); [`FdsOverdue`](ReceiveError::FdsOverdue), after 30 seconds (servers); [`UnclaimedFds`](ReceiveError::UnclaimedFds), at the end of the stream |
//! | more descriptors than the [account](Listener#budget) of its user has room for | nothing, and it waits, while other connections of this user hold some that may be returned; otherwise [`FdsOverBudget`](ReceiveError::FdsOverBudget) ends |
//! | a message that needs more memory than its account could ever have | [`BytesOverBudget`](ReceiveError::BytesOverBudget) ends |
//! | a length of 0, 4, 7 | [`TooShort`](WireErrorKind::TooShort) ends |
//! | a length of 10, 13 | [`Unaligned`](WireErrorKind::Unaligned) ends |
//! | a length of 4096 | the message |
//! | a length of 4100, 65532 | [`TooLong`](WireErrorKind::TooLong) ends, as soon as the header is there |
//! | bytes after the last argument | [`TrailingBytes`](WireErrorKind::TrailingBytes) when the arguments are [finished](Arguments::finish) |
//! | a message for the object 0 | [`NullObject`](WireErrorKind::NullObject) ends |
//! | a message for an object that nobody knows, or with an opcode too high | the message: objects are the user's |
//! | a string without its NUL | [`StringWithoutNul`](WireErrorKind::StringWithoutNul) when it is read |
//! | a string with a NUL inside | [`StringWithNul`](WireErrorKind::StringWithNul) when it is read |
//! | a null string where none may be | [`NullString`](WireErrorKind::NullString) when it is read |
//! | a string or an array that is longer than the message | [`EndsEarly`](WireErrorKind::EndsEarly) when it is read; nothing is reserved for it |
//! | a null object or new object where none may be | [`NullObject`](WireErrorKind::NullObject) when it is read |
//! | `bind` with version 0, one too high, another interface, an unknown name | a [`DisplayError`] to send, from [`Registries::answer`] |
//! | a new object that skips a number, is in use, or of the server's | the message: objects are the user's |
//! | bytes one at a time | the messages |
//! | the start of a message, and no more for 30 seconds | [`MessageOverdue`](ReceiveError::MessageOverdue) ends (servers) |
//! | the start of a message, and the end of the stream | [`ClosedInsideMessage`](ReceiveError::ClosedInsideMessage) ends |
//! | an out-of-band byte (`MSG_OOB`) | the message that the byte is part of, and its descriptors |
//! | descriptors while our table is full | [`Truncated`](ReceiveError::Truncated) ends: nobody could say any more whose the next are |
//! | nothing, and does not read | back-pressure: no message is taken while as many bytes wait as may, or while as many descriptors are on their way to its user as its account may have |
//! | a connection, while its user holds as many as its account may | it is closed, and [counted](Listener::refused) |
//!
//! And what it is spared:
//!
//! | we would send | and instead |
//! |---|---|
//! | a message of more than 4096 bytes, unless told otherwise | [`TooLong`](WireErrorKind::TooLong), and the message comes back |
//! | a message with more than 28 descriptors | [`TooManyFds`](SendErrorKind::TooManyFds), and the message comes back |
//! | a message whose descriptors were taken out | [`FdsTaken`](WireErrorKind::FdsTaken), and the message comes back |
//! | more than 28 descriptors in a `sendmsg` | several, none of a descriptor later than the first byte of its message |
//! | more descriptors than may be under way (`ETOOMANYREFS`) | [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight), and the message comes back |
//!
//! # Limitations
//!
//! - Arguments are not checked before they are read, nor objects ever: that takes the protocol files.
//! - A wrong count in [`Signatures`] gives every later message the wrong descriptors.
//! - Linux is proven; libwayland runs elsewhere, too.
//!
//! [tokio]: https://tokio.rs

#![deny(unsafe_code)]

mod client_ids;
mod codec;
mod connect;
mod connection;
mod connection_parts;
mod decode_position;
mod display_error;
mod error;
#[cfg(test)]
mod error_chain;
pub mod fds;
mod global;
mod globals;
mod handshake;
mod limits;
mod listen;
mod location;
mod location_error;
pub mod opcodes;
mod owned_read_half;
mod owned_write_half;
mod registries;
mod registry;
mod registry_error;
mod wire;

pub use client_ids::ClientIds;
pub use codec::Signatures;
pub use connect::{
    ConnectError, Connected, Connector, InheritedError, Origin, connect, without_inherited_socket,
};
pub use connection::Connection;
pub use connection_parts::ConnectionParts;
pub use decode_position::DecodePosition;
pub use display_error::DisplayError;
pub use error::{ReceiveError, SendError, SendErrorKind};
pub use global::Global;
pub use globals::{AddError, Globals};
pub use handshake::{MAX_HANDSHAKE_BYTES, MAX_HANDSHAKE_FDS};
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use listen::{ListenError, Listener, ListenerBuilder, ListenerParts, LockRefusal};
pub use location_error::LocationError;
pub use owned_read_half::OwnedReadHalf;
pub use owned_write_half::OwnedWriteHalf;
pub use registries::{Answer, Bind, MAX_REGISTRIES, Registries};
pub use registry::{BindError, MAX_GLOBALS, Registry, RegistryUpdate};
pub use registry_error::RegistryError;
pub use wire::{
    Arguments, BuildError, Fixed, Message, MessageBuilder, ObjectId, WireError, WireErrorKind,
};
