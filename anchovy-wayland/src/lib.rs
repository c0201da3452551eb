//! Wayland over Unix sockets, for [tokio]: whole messages with exactly their descriptors.
//!
//! This is a transport, not bindings. It connects and listens as libwayland does, sends and receives
//! requests and events, reads and writes their arguments, and gives out the ids of a client's objects. What
//! requests and events an interface has is in protocol files, and is left to the caller.
//!
//! ```no_run
//! use anchovy_wayland::{Connection, Message};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let mut compositor = Connection::connect().await?;
//! let registry = compositor.registry().await?;
//! let shm = compositor.bind(&registry, "wl_shm", 1..=2).await?;
//!
//! let file = std::fs::File::options().read(true).write(true).open("/dev/shm/pixels")?;
//! file.set_len(4096)?;
//! let create_pool = |id| Message::builder(shm.id, 0).new_id(id).fd(file).int(4096);
//! let pool = compositor.create("wl_shm_pool", create_pool).await?;
//! compositor.roundtrip().await?; // or the error that the compositor reports
//! println!("the compositor has wl_shm_pool#{pool}");
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | connect to a compositor | [`Connection::connect`]; [`Connector`] and [`Connection::client`] for another display |
//! | get the globals, and bind one | [`Connection::registry`], [`Connection::bind`] |
//! | create an object | [`Connection::create`] |
//! | wait until the compositor has handled all requests | [`Connection::roundtrip`] |
//! | build messages, and read their arguments | [`Message`], [`Arguments`] |
//! | send and receive | [`Connection`], whole or in halves |
//! | be a compositor | [`Listener`], with [`Connection::new`] and [`Limits::server`] for each connection |
//! | tell how many descriptors a message has | [`Signatures`], [`fds`] |
//! | answer a client that asks for globals | [`Globals`], [`Registries`] |
//! | report an error to a client | [`DisplayError`] |
//!
//! # Which message has which descriptors
//!
//! Descriptors are a queue beside the bytes, and a message takes as many from it as it has arguments of
//! type `fd`. Only the protocol file says how many these are. A client's connection knows them for all
//! published protocols ([`Objects`], [`fds`]); a compositor or a proxy supplies them ([`Signatures`]). A
//! message then arrives with exactly its descriptors, and closes those that were not taken out of it when
//! it is dropped.
//!
//! Descriptors may arrive earlier than their message, and do: libwayland sends them as early as it can. The
//! protocol's documentation lets them arrive later, too. libwayland accepts none that do, and neither does
//! this crate.
//!
//! # Handling of protocol violations
//!
//! "Ends" means that [`receive`](Connection::receive) returns that [`ReceiveError`], with the object and the
//! opcode of the message in it, and that all descriptors that had arrived are closed. A server can tell its
//! client first ([`DisplayError::from_receive_error`]). Arguments are checked when they are read
//! ([`Arguments`]).
//!
//! | the peer sends | result |
//! |---|---|
//! | a message without a descriptor that it has | [`MissingFds`](ReceiveError::MissingFds) ends |
//! | its descriptor in a later `sendmsg` | the same: a descriptor that has not arrived with the message is not waited for. A descriptor that was sent before the message is read is not late: the kernel returns it with the message |
//! | its descriptor in an earlier `sendmsg`, or with a byte of its header | the message with its descriptor |
//! | a burst with more than 28 descriptors in one `sendmsg` | [`TooManyFds`](ReceiveError::TooManyFds) ends |
//! | one byte with 28 descriptors, and the rest with 12 | each message with its own |
//! | descriptors that no message claims | [`TooManyWaitingFds`](ReceiveError::TooManyWaitingFds) ends, at more than 1024 of them ([servers](Limits::server): 112); [`FdsOverdue`](ReceiveError::FdsOverdue), after 30 seconds (servers); [`UnclaimedFds`](ReceiveError::UnclaimedFds), at the end of the stream |
//! | more descriptors than the [account](Listener#budget) of its user has room for | the connection waits, while other connections of this user hold some that may be returned; otherwise [`FdsOverBudget`](ReceiveError::FdsOverBudget) ends |
//! | a message that needs more memory than its account could ever have | [`BytesOverBudget`](ReceiveError::BytesOverBudget) ends |
//! | a length of 0, 4, 7 | [`TooShort`](WireErrorKind::TooShort) ends |
//! | a length of 10, 13 | [`Unaligned`](WireErrorKind::Unaligned) ends |
//! | a length of 4096 | the message |
//! | a length of 4100, 65532 | [`TooLong`](WireErrorKind::TooLong) ends, as soon as the header has arrived |
//! | bytes after the last argument | [`TrailingBytes`](WireErrorKind::TrailingBytes) when the arguments are [finished](Arguments::finish) |
//! | a message for the object 0 | [`NullObject`](WireErrorKind::NullObject) ends |
//! | a message for an unknown object, or with an opcode that is too high | the message: objects are left to the caller |
//! | a string without its NUL | [`StringWithoutNul`](WireErrorKind::StringWithoutNul) when it is read |
//! | a string with a NUL inside | [`StringWithNul`](WireErrorKind::StringWithNul) when it is read |
//! | a null string where none may be | [`NullString`](WireErrorKind::NullString) when it is read |
//! | a string or an array that is longer than the message | [`EndsEarly`](WireErrorKind::EndsEarly) when it is read; no memory is reserved for it |
//! | a null object or new object where none may be | [`NullObject`](WireErrorKind::NullObject) when it is read |
//! | `bind` with version 0, one too high, another interface, an unknown name | a [`DisplayError`] to send, from [`Registries::answer`] |
//! | a new object whose id skips one, is in use, or is of the server | the message: objects are left to the caller |
//! | bytes one at a time | the messages |
//! | the start of a message, and no more for 30 seconds | [`MessageOverdue`](ReceiveError::MessageOverdue) ends (servers) |
//! | the start of a message, and the end of the stream | [`ClosedInsideMessage`](ReceiveError::ClosedInsideMessage) ends |
//! | an out-of-band byte (`MSG_OOB`) | the message that the byte is part of, and its descriptors |
//! | descriptors while the descriptor table of this process is full | [`Truncated`](ReceiveError::Truncated) ends: nobody could tell which message the next descriptors are of |
//! | nothing, and does not read | back-pressure: no message is taken while as many bytes wait as may, or while as many descriptors are on their way to its user as its account may have |
//! | a connection, while its user holds as many as its account may | it is closed, and [counted](Listener::refused) |
//!
//! Messages that a peer would refuse are refused before they are sent:
//!
//! | the caller sends | result |
//! |---|---|
//! | a message of more than 4096 bytes, unless the limit is higher | [`TooLong`](WireErrorKind::TooLong), and the message is returned |
//! | a message with more than 28 descriptors | [`TooManyFds`](SendErrorKind::TooManyFds), and the message is returned |
//! | a message whose descriptors were taken out | [`FdsTaken`](WireErrorKind::FdsTaken), and the message is returned |
//! | messages with more than 28 descriptors in all | several `sendmsg`, none of a descriptor later than the first byte of its message |
//! | more descriptors than may be in flight (`ETOOMANYREFS`) | [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight), and the message is returned; on a client it stays in the queue |
//!
//! # Clients
//!
//! What the connection of a client ([`Connection::client`]) does beyond sending and receiving:
//!
//! | the caller or the compositor | result |
//! |---|---|
//! | builds a request that cannot be built | [`CreateError::Build`] with its descriptors; the id is free again |
//! | builds a request that is refused, as too long | [`CreateError::Send`] with the request; the id is free again |
//! | builds a request without the id that it was given | [`CreateError::NewId`]; nothing is sent, and the id is free again |
//! | panics while it builds a request | the id is free again |
//! | creates an object while too many descriptors are in flight | [`CreateError::Send`] with the request, and the id is free again; if it is an earlier message that is refused, the id is returned, and the next flush reports the refusal |
//! | creates an object while all ids are in use | [`CreateError::NoIds`], [`RoundtripError::NoIds`]; nothing is sent |
//! | drops a [`create`](Connection::create) that waits for room | nothing is created |
//! | binds an interface that the compositor does not have | [`BindError::NoGlobal`]; nothing is sent |
//! | binds a version that the compositor does not have | [`BindError::Version`] with both versions; nothing is sent |
//! | does not reply in 10 seconds | [`RoundtripError::TimedOut`]; the connection goes on, and the late reply is dropped |
//! | drops a [`roundtrip`](Connection::roundtrip) or a [`registry`](Connection::registry) | no other event is lost, and the reply is dropped |
//! | closes the connection before it replies | [`RoundtripError::Closed`], or the error of the socket; what arrived before is received |
//! | sends more than 8192 messages, 1 MiB or 1024 descriptors of other events before it replies | [`RoundtripError::TooManyMessages`], [`TooManyBytes`](RoundtripError::TooManyBytes), [`TooManyFds`](RoundtripError::TooManyFds); the connection goes on once they are received |
//! | announces more than 4096 globals | [`RegistryError::TooManyGlobals`]; the connection goes on |
//! | sends a malformed event of the registry or the callback | [`RoundtripError::Registry`], [`RoundtripError::Wire`] |
//! | sends a malformed event of the display | [`ReceiveError::Wire`] ends |
//! | sends `wl_display.error` | [`ReceiveError::Display`], [`SendErrorKind::Display`] or [`RoundtripError::Display`], whatever the caller does next; what arrived before is received |
//! | the same, and a request fails with a broken pipe | the error of the compositor |
//! | closes its reading side and not the connection | the error of the socket, without a wait |
//! | deletes an id that is not in use, or not of a client | it is ignored, as libwayland's client does |
//! | deletes an id while events that arrived before it are not yet received | the id is free once they are |
//!
//! # Limitations
//!
//! - Arguments are not checked before they are read. Objects are not checked: that takes the protocol files.
//! - A wrong count in [`Signatures`] gives every later message the wrong descriptors.
//! - Linux is tested; libwayland runs elsewhere, too.
//!
//! [tokio]: https://tokio.rs

#![deny(unsafe_code)]

mod bind_error;
mod bound;
mod client;
mod codec;
mod connect;
mod connection;
mod connection_parts;
mod create_error;
mod decode_position;
mod display_error;
mod display_report;
mod error;
#[cfg(test)]
mod error_chain;
mod escaped;
pub mod fds;
mod global;
mod globals;
mod inbox;
mod interface_name;
#[cfg(feature = "wayland-backend")]
mod interfaces;
mod kept;
mod limits;
mod listen;
mod location;
mod location_error;
mod object_table;
mod objects;
pub mod opcodes;
mod owned_read_half;
mod owned_write_half;
mod registries;
mod registry;
mod registry_error;
mod roundtrip_error;
mod signature_source;
mod signatures;
mod wire;

pub use bind_error::BindError;
pub use bound::Bound;
pub use connect::{
    ConnectError, Connected, Connector, InheritedError, Origin, connect, without_inherited_socket,
};
pub use connection::Connection;
pub use connection_parts::ConnectionParts;
pub use create_error::CreateError;
pub use decode_position::DecodePosition;
pub use display_error::DisplayError;
pub use error::{ReceiveError, SendError, SendErrorKind};
pub use global::Global;
pub use globals::{AddError, Globals};
#[cfg(feature = "wayland-backend")]
pub use interfaces::Interfaces;
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use listen::{ListenError, Listener, ListenerBuilder, ListenerParts, LockRefusal};
pub use location_error::LocationError;
pub use objects::Objects;
pub use owned_read_half::OwnedReadHalf;
pub use owned_write_half::OwnedWriteHalf;
pub use registries::{Answer, Bind, MAX_REGISTRIES, Registries};
pub use registry::{MAX_GLOBALS, Registry, RegistryUpdate};
pub use registry_error::RegistryError;
pub use roundtrip_error::RoundtripError;
pub use signature_source::SignatureSource;
pub use signatures::{NoFds, Signatures};
pub use wire::{
    Arguments, BuildError, Fixed, Message, MessageBuilder, ObjectId, WireError, WireErrorKind,
};
