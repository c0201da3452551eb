//! Wayland over Unix sockets, for [tokio]: whole messages with exactly their descriptors.
//!
//! This crate is a transport, not a set of bindings. It connects and listens as libwayland does, sends
//! and receives requests and events, reads and writes their arguments, and allocates the ids of a
//! client's objects. The requests and events of an interface are defined in protocol files. This crate
//! does not read protocol files.
//!
//! This example creates a pool of shared memory in the compositor:
//!
//! ```no_run
//! use anchovy_wayland::{Connection, Message};
//! use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let mut compositor = Connection::connect().await?;
//! let registry = compositor.registry().await?;
//! let shm = compositor.bind(&registry, "wl_shm", 1..=2).await?;
//!
//! // Sends `wl_shm.create_pool` (opcode 0) with the descriptor of the memory.
//! let memory = memfd_create("pixels", MemfdFlags::CLOEXEC)?;
//! ftruncate(&memory, 4096)?;
//! let create_pool = |id| Message::builder(shm.id, 0).new_id(id).fd(memory).int(4096);
//! let pool = compositor.create("wl_shm_pool", create_pool).await?;
//!
//! // Returns an error if the compositor rejected the request.
//! compositor.roundtrip().await?;
//! println!("the compositor has wl_shm_pool#{pool}");
//! # Ok(())
//! # }
//! ```
//!
//! | Task | API |
//! |---|---|
//! | Connect to a compositor | [`Connection::connect`]; [`Connector`] and [`Connection::client`] for another display |
//! | Get the globals and bind one | [`Connection::registry`], [`Connection::bind`] |
//! | Create an object | [`Connection::create`] |
//! | Wait until the compositor has handled all requests | [`Connection::roundtrip`] |
//! | Build messages and read their arguments | [`Message`], [`Arguments`] |
//! | Send and receive messages | [`Connection`], or its halves from [`into_split`](Connection::into_split) |
//! | Write a compositor | [`Listener`], and [`Connection::new`] with [`Limits::server`] for each client |
//! | Specify the number of descriptors of each message | [`Signatures`], [`fds`] |
//! | Answer a client that requests globals | [`Globals`], [`Registries`] |
//! | Report an error to a client | [`DisplayError`] |
//!
//! The guide `docs/wayland.md` of the repository begins with a program that shows a window, and
//! `docs/errors.md` says what to do after each error.
//!
//! # Descriptors of a message
//!
//! The descriptors that one side sends form a queue that is separate from the bytes. A message takes one
//! descriptor from the queue for each of its arguments of type `fd`:
//!
//! ```text
//! bytes         wl_shm.create_pool    wl_surface.commit    wl_data_offer.receive
//! arguments     new_id, fd, int       (none)               string, fd
//! descriptors            1st                                       2nd
//! ```
//!
//! The bytes of a message do not contain the types of its arguments. Only the protocol file specifies
//! the number of descriptors. The table [`fds`] lists the messages with descriptors of the published
//! protocols, by interface. A connection determines the number of descriptors of a received message as
//! follows:
//!
//! - The connection of a client ([`Connection::connect`], [`Connection::client`]) records the interface of
//!   each object that the client creates, and looks up the number in the table. The program sets the
//!   numbers of events that are not in the table ([`Connection::set_event_fds`]).
//! - All other connections call an implementation of [`Signatures`], which the program supplies. The
//!   implementation can use the same table.
//!
//! So each message is received with exactly its descriptors. Dropping the message closes the
//! descriptors that were not taken from it.
//!
//! Descriptors may arrive before their message: libwayland sends them as early as it can. The
//! documentation of the protocol also allows them to arrive after their message. libwayland and this
//! crate do not wait for such descriptors: receiving fails if they have not arrived when the message is
//! decoded.
//!
//! # Handling of protocol violations
//!
//! In this table, "ends with" means that [`receive`](Connection::receive) returns this error, that all
//! waiting descriptors are closed, and that nothing more can be received. If this error is a
//! [`WireErrorKind`], it is inside [`ReceiveError::Wire`]. Unless the client has closed the connection or
//! the socket has failed, a server can report the error to its client
//! ([`DisplayError::from_receive_error`]). "Reading it returns" means that the method of [`Arguments`] that
//! reads the argument returns the error: arguments are not checked before.
//!
//! | The peer | Result |
//! |---|---|
//! | Sends a message without one of its descriptors | If descriptors of later messages have already arrived, the message takes one of them instead. Otherwise ends with [`MissingFds`](ReceiveError::MissingFds). |
//! | Sends a descriptor in a later `sendmsg` than its message | Ends with [`MissingFds`](ReceiveError::MissingFds) if the message is decoded before the descriptor arrives. Otherwise the message is received with its descriptor. |
//! | Sends a descriptor in an earlier `sendmsg` than its message, or together with only a part of the message | The message is received with its descriptor. |
//! | Sends more than 28 descriptors in one `sendmsg` | Ends with [`TooManyFds`](ReceiveError::TooManyFds). |
//! | Sends the 40 descriptors of several messages in two `sendmsg` calls, as libwayland does: 28 with the first byte of the messages, and 12 with the remaining bytes | Each message is received with its descriptors. |
//! | Sends descriptors that no message takes | Ends with [`TooManyWaitingFds`](ReceiveError::TooManyWaitingFds) after more than 1024 of them ([servers](Limits::server): 112), with [`FdsOverdue`](ReceiveError::FdsOverdue) after 30 seconds (servers only), or with [`UnclaimedFds`](ReceiveError::UnclaimedFds) at the end of the stream. |
//! | Sends more descriptors than the [account](Listener#budget) of its user has room for | Receiving waits until other connections of this user release received descriptors. If no other connection of this user holds received descriptors, ends with [`FdsOverBudget`](ReceiveError::FdsOverBudget). |
//! | Sends a message that needs more memory than the account of its user can ever have | Ends with [`BytesOverBudget`](ReceiveError::BytesOverBudget). |
//! | Sends a message length of 0, 4 or 7 | Ends with [`TooShort`](WireErrorKind::TooShort). |
//! | Sends a message length of 10 or 13 | Ends with [`Unaligned`](WireErrorKind::Unaligned). |
//! | Sends a message length of 4096 | The message is received. |
//! | Sends a message length of 4100 or 65532 | Ends with [`TooLong`](WireErrorKind::TooLong) when the header has arrived. |
//! | Sends bytes after the last argument | [`Arguments::finish`] returns [`TrailingBytes`](WireErrorKind::TrailingBytes). |
//! | Sends a message for object 0 | Ends with [`NullObject`](WireErrorKind::NullObject). |
//! | Sends a message for an unknown object, or with an unknown opcode | The message is received. The caller checks objects and opcodes. |
//! | Sends a string without a NUL at its end | Reading it returns [`StringWithoutNul`](WireErrorKind::StringWithoutNul). |
//! | Sends a string with a NUL before its end | Reading it returns [`StringWithNul`](WireErrorKind::StringWithNul). |
//! | Sends a null string that must not be null | Reading it returns [`NullString`](WireErrorKind::NullString). |
//! | Sends a string or an array that is longer than the message | Reading it returns [`EndsEarly`](WireErrorKind::EndsEarly). No memory is reserved for it. |
//! | Sends a null object or new object that must not be null | Reading it returns [`NullObject`](WireErrorKind::NullObject). |
//! | Sends `wl_registry.bind` with version 0, a version that is too high, another interface or an unknown name | [`Registries::answer`] returns a [`DisplayError`] to send. |
//! | Sends a new object whose id leaves a gap, is in use, or belongs to the server | The message is received. The caller checks ids. |
//! | Sends single bytes, one at a time | The messages are received. |
//! | Sends the start of a message, and then nothing for 30 seconds | Ends with [`MessageOverdue`](ReceiveError::MessageOverdue) (servers only). |
//! | Sends the start of a message, and then the end of the stream | Ends with [`ClosedInsideMessage`](ReceiveError::ClosedInsideMessage). |
//! | Sends an out-of-band byte (`MSG_OOB`) | The message that contains the byte is received with its descriptors. |
//! | Sends descriptors while the descriptor table of this process is full | Ends with [`Truncated`](ReceiveError::Truncated), because the later descriptors can no longer be assigned to messages. |
//! | Does not read | Sending waits while the send buffer is full. On a server, descriptors that the clients of a user have not read are charged to the account of the user. While the account has no room for the descriptors of a message, sending this message waits. |
//! | Connects while the account of its user has no room for another connection | The connection is closed and [counted](Listener::refused). |
//!
//! In the following table, "the message is returned" means that the [`SendError`] contains the message.
//! A [`WireErrorKind`] is inside [`SendErrorKind::Wire`].
//!
//! | The caller sends | Result |
//! |---|---|
//! | A message of more than 4096 bytes (by default) | [`TooLong`](WireErrorKind::TooLong); the message is returned. |
//! | A message with more than 28 descriptors | [`TooManyFds`](SendErrorKind::TooManyFds); the message is returned. |
//! | A message whose descriptors were taken from it | [`FdsTaken`](WireErrorKind::FdsTaken); the message is returned. |
//! | Several messages with more than 28 descriptors in total | Several `sendmsg` calls. Each descriptor is sent before or with the first byte of its message. |
//! | Descriptors, while the processes of this user have sent too many that were not received yet (`ETOOMANYREFS`, unix(7)) | [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight). On the connection of a client ([`Connection::client`]), the request of [`create`](Connection::create) is returned, and any other message stays in the send buffer. On all other connections, the message is returned. |
//!
//! # Clients
//!
//! The connection of a client ([`Connection::client`]) also allocates ids and handles the events of
//! `wl_display`.
//!
//! | The caller | Result |
//! |---|---|
//! | Builds a request with an invalid argument | [`CreateError::Build`] with its descriptors. The id is free again. |
//! | Builds a request that is longer than [`max_message_bytes`](Limits::max_message_bytes) | [`CreateError::Send`] with the request. The id is free again. |
//! | Builds a request that does not contain the allocated id | [`CreateError::NewId`]. Nothing is sent, and the id is free again. |
//! | Panics in the function that builds a request | The id is free again. |
//! | Creates an object, and the kernel refuses the descriptors of its request | [`CreateError::Send`] with the request, and the id is free again. |
//! | Creates an object, and the kernel refuses the descriptors of an earlier message | If the send buffer has room for the request, [`create`](Connection::create) returns the id. The request waits in the send buffer after the earlier message, and the next flush tries to send both. If the send buffer is full, [`CreateError::Send`] without a request. No request is built, and no id is allocated. |
//! | Creates an object, or calls [`roundtrip`](Connection::roundtrip) or [`registry`](Connection::registry), while all ids are in use | [`CreateError::NoIds`] or [`RoundtripError::NoIds`]. Nothing is sent. |
//! | Drops the future of [`create`](Connection::create) while the send buffer is full | No object is created. |
//! | Drops the future of [`create`](Connection::create) after the request was added to the send buffer | The next flush creates the object, and the caller does not know its id. |
//! | Binds an interface that the compositor does not have | [`BindError::NoGlobal`]. Nothing is sent. |
//! | Binds a version that the compositor does not have | [`BindError::Version`] with the requested and the offered versions. Nothing is sent. |
//! | Drops the future of [`roundtrip`](Connection::roundtrip) or [`registry`](Connection::registry) | The reply is discarded, and with `registry` also all events of its `wl_registry`. No other event is lost. |
//!
//! | The compositor | Result |
//! |---|---|
//! | Does not reply within 10 seconds | [`RoundtripError::TimedOut`]. The connection stays usable, and the late reply is discarded. |
//! | Closes the connection before it replies | [`RoundtripError::Closed`], or the error of the socket. Events that arrived before can be received. |
//! | Sends more than 8192 messages, 1 MiB or 1024 descriptors of other events before it replies | [`RoundtripError::TooManyMessages`], [`TooManyBytes`](RoundtripError::TooManyBytes) or [`TooManyFds`](RoundtripError::TooManyFds). [`roundtrip`](Connection::roundtrip) and [`registry`](Connection::registry) can be used again when these events have been received. |
//! | Announces more than 4096 globals | [`RegistryError::TooManyGlobals`]. The connection stays usable. |
//! | Sends a malformed event of the `wl_registry` of [`registry`](Connection::registry), or of the `wl_callback` that [`roundtrip`](Connection::roundtrip) waits for | [`RoundtripError::Registry`] or [`RoundtripError::Wire`]. |
//! | Sends a malformed event of `wl_display` | Ends with [`ReceiveError::Wire`]. |
//! | Sends `wl_display.error` | [`receive`](Connection::receive) returns [`ReceiveError::Display`] after the events that arrived before. A [`roundtrip`](Connection::roundtrip) returns [`RoundtripError::Display`] at once, and these events can be received. |
//! | Sends `wl_display.error` and closes the connection while the client sends | The methods of [`Connection`] that send return [`SendErrorKind::Display`], and not the error of the socket. |
//! | Shuts down its read side and keeps its write side open | The methods that send return the error of the socket. They do not wait for a `wl_display.error`. |
//! | Deletes an id that is not in use | The event is ignored. libwayland's client logs it and ignores it. |
//! | Deletes an id of the server | The event is ignored. |
//! | Deletes an id while earlier events wait to be received | The id is free after these events have been received. |
//!
//! # Platform-specific behavior
//!
//! This crate is tested on Linux. It compiles on FreeBSD, macOS and Android, and is not tested there.
//!
//! # Limitations
//!
//! - Arguments are not checked before they are read. Objects are not checked, because that requires the
//!   protocol files.
//! - A wrong number in [`Signatures`] assigns wrong descriptors to all later messages.
//!
//! [tokio]: https://tokio.rs

#![deny(unsafe_code)]
// On docs.rs, an item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod announced;
mod bind_error;
mod bound;
mod client;
mod codec;
mod connect;
mod connection;
mod connection_parts;
mod count;
mod create_error;
mod decode_position;
mod display_cause;
mod display_error;
mod display_report;
mod error;
#[cfg(test)]
mod error_chain;
mod escaped;
pub mod fds;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
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
#[cfg(all(test, target_os = "linux"))]
mod messages;
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
