//! D-Bus over Unix sockets, for [tokio]: whole messages with exactly their descriptors.
//!
//! This crate is a transport: it connects and listens, authenticates, and sends and receives messages.
//! It has no bindings, proxies or object tree.
//!
#![cfg_attr(
    feature = "zbus",
    doc = r#"
```no_run
use anchovy_dbus::{Client, Message};
use zbus::Fd;

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> std::io::Result<()> {
let mut bus = Client::session().await?;
let file = std::fs::File::open("/etc/hostname")?;
let call = Message::method_call("/org/example/Printer", "Print")
    .destination("org.example.Printer")
    .interface("org.example.Printer")
    .body_of(&("two copies", 2_u32, Fd::from(&file)))
    .build()?;
let reply = bus.call(call).await?;
let job: u32 = reply.body_as()?;
println!("printing as job {job}");
# Ok(())
# }
```
"#
)]
//!
//! | feature | adds | MSRV |
//! |---|---|---|
//! | none (default) | bodies are a signature and bytes ([`MessageBuilder::body`], [`Message::body`]) | 1.85 |
//! | `zbus` | bodies are values of serde and zbus, with descriptors (`MessageBuilder::body_of`, `Message::body_as`); of zbus, only the wire format is built | that of zbus, 1.89 |
//!
//! | to | use |
//! |---|---|
//! | connect to a bus | [`Client::session`], [`Client::system`] |
//! | connect to any address, with options | [`Client`], [`Addresses`] |
//! | call a method and wait for its reply | [`Connection::call`] |
//! | send and receive | [`Connection`], whole or in halves |
//! | build messages, and read their headers | [`Message`] |
//! | listen | [`Server`], [`Listener`] |
//! | take the steps of a handshake one by one | [`client`], [`server`] |
//! | do the handshake without a socket | [`auth`] |
//! | limit what a peer may send | [`Limits`], [`HandshakeLimits`], [`Budget`] |
//! | use messages without a handshake | [`MessageCodec`] |
//!
//! # Calls
//!
//! [`Connection::call`] sends a method call and waits for its reply. Other messages that arrive
//! meanwhile are kept for [`receive`](Connection::receive). Every error converts into
//! [`std::io::Error`] and keeps its kind.
//!
//! | the caller or the peer | result |
//! |---|---|
//! | calls with a message that is no method call | [`NotACall`](CallError::NotACall), and the message is returned |
//! | calls with the flag `NO_REPLY_EXPECTED` | [`NoReplyExpected`](CallError::NoReplyExpected), and the message is returned |
//! | calls with a message that cannot be sent | [`Send`](CallError::Send), and the message is returned |
//! | calls with a serial of its own that is that of an abandoned call | [`SerialInUse`](SendErrorKind::SerialInUse), and the message is returned |
//! | calls while [`Limits::max_abandoned_calls`] calls are abandoned | [`TooManyAbandonedCalls`](CallError::TooManyAbandonedCalls), and the message is returned |
//! | calls while kept messages have reached a limit | [`TooMuchKept`](CallError::TooMuchKept), and the message is returned |
//! | calls its own name on the bus | [`Timeout`](CallError::Timeout); the call is received afterwards |
//! | drops a call | the call is abandoned: its reply is discarded when it arrives |
//! | does not reply within [`Limits::reply_timeout`] | [`Timeout`](CallError::Timeout); the call is abandoned |
//! | replies to an abandoned call | the reply is discarded and its descriptors are closed |
//! | replies to an abandoned call again | the second reply is received like any other message |
//! | replies with an error | [`ErrorReply`](CallError::ErrorReply), which has the message |
//! | sends other messages before the reply | they are received first after the call, in order |
//! | sends so many that they reach [`Limits::max_kept_messages`], [`max_kept_bytes`](Limits::max_kept_bytes) or [`max_kept_fds`](Limits::max_kept_fds) | [`TooMuchKept`](CallError::TooMuchKept); the call is abandoned, the messages stay receivable |
//! | sends so many that its account has no room for them | the same |
//! | does not read before the caller reads | the call reads while it writes |
//! | replies before the call has left | the reply is returned; the rest of the call leaves with the next flush |
//! | closes the connection between two messages | [`Closed`](CallError::Closed) |
//! | closes it inside a message, or sends what is no message | [`Receive`](CallError::Receive) |
//! | closes it because the first message to it was not `Hello`, as a bus | [`ClosedBeforeHello`](CallError::ClosedBeforeHello), also from [`receive`](ReceiveError::ClosedBeforeHello) and [`send`](SendErrorKind::ClosedBeforeHello) |
//! | replies to `Hello` without a unique name | [`NoUniqueName`](CallError::NoUniqueName) |
//!
//! With the feature `zbus`:
//!
//! | the caller or the peer | result |
//! |---|---|
//! | builds a body of a value that cannot be encoded | `MessageError::Body`, and the descriptors that were added are returned |
//! | asks for a value of another signature than the body has | `BodyError::Signature`, with both signatures |
//! | sends a body that is not what its signature says, or with an index of a descriptor that is not there | `BodyError::Decode` |
//! | sends a body with more bytes than its values | `BodyError::TrailingBytes` |
//!
//! # Which message has which descriptors
//!
//! A message declares how many descriptors it has (the header field `UNIX_FDS`), and they are sent
//! "at the same time as part of the message itself" (D-Bus Specification, "Header Fields"). What
//! arrives is matched by the range of bytes that it came with: a message gets descriptors only of
//! sets that came with its own bytes, as many as it declares, and what no message declares ends the
//! connection. So no message has another's, of a peer that declares what it sends.
//!
//! Peers send descriptors in many shapes, and some violate the protocol. "Ends" means that
//! [`receive`](Connection::receive) returns that [`ReceiveError`], that everything that had arrived is
//! closed, and that no other connection is affected.
//!
//! | the peer sends | result |
//! |---|---|
//! | each message in a `sendmsg` of its own | every message with its descriptors |
//! | a message with descriptors and a plain one behind it, in one call | the same |
//! | a plain message and one with descriptors behind it, in one call | the same |
//! | two messages with one each, and a set of two, in one call | each has its own, if one read has both |
//! | descriptors with a later part of their message, or with its last byte | the same as with its first |
//! | descriptors with the last byte of their message and the whole of the next | the first has them |
//! | descriptors of one message in two calls | the message has both sets, in order |
//! | the same set twice | [`UnclaimedFds`](ReceiveError::UnclaimedFds) ends |
//! | fewer than it declares | [`MissingFds`](ReceiveError::MissingFds) ends |
//! | more than it declares, or some undeclared | [`UnclaimedFds`](ReceiveError::UnclaimedFds) ends |
//! | three where it declares one, and none where it declares two | [`UnclaimedFds`](ReceiveError::UnclaimedFds) ends, and the second message has nobody's |
//! | descriptors, declared or not, where none were agreed on | its `sendmsg` fails where the kernel can refuse; elsewhere [`FdsNotAgreed`](ReceiveError::FdsNotAgreed) ends |
//! | a declaration without descriptors, where none were agreed on | [`FdsNotAgreed`](ReceiveError::FdsNotAgreed) ends |
//! | `UNIX_FDS` of 4294967295 | [`TooManyFds`](ReceiveError::TooManyFds) ends |
//! | more in a set, or declared, than [`Limits::max_received_fds`] | [`TooManyFds`](ReceiveError::TooManyFds) ends |
//! | `UNIX_FDS` of another type, or twice | [`Message`](ReceiveError::Message) ends |
//! | an `h` in the body that is out of range, or twice the same | the message; bodies are the caller's |
//! | a message in the other byte order, with descriptors | the message with its descriptors |
//! | a message of an unknown type, with descriptors | the message with its descriptors |
//! | a wrong byte order, type 0, version 2, serial 0, lengths over the limits, bad fields | [`Message`](ReceiveError::Message) ends, as soon as the byte is there |
//! | the start of a message with descriptors, and not the rest in time | [`FdsOverdue`](ReceiveError::FdsOverdue) ends |
//! | the start of a message, and not the rest in time | a server ends with [`MessageOverdue`](ReceiveError::MessageOverdue); a client waits, unless [`Limits::message_timeout`] is set |
//! | the start of a message with descriptors, and set after set | [`TooManyWaitingFds`](ReceiveError::TooManyWaitingFds) ends |
//! | the start of a message, and the end of the stream | [`ClosedInsideMessage`](ReceiveError::ClosedInsideMessage) ends |
//! | descriptors for which its uid has no room in the budget of a listener | [`FdsOverBudget`](ReceiveError::FdsOverBudget) ends |
//! | a message that needs more memory than its uid could ever have | [`BytesOverBudget`](ReceiveError::BytesOverBudget) ends |
//! | descriptors while our table is full | a client ends with [`Truncated`](ReceiveError::Truncated); a server gets the message [marked](Message::truncation), without any |
//! | a whole handshake and a message with descriptors behind it, before it has read a reply | its `sendmsg` fails where the kernel can refuse; elsewhere, and with [`Server::fds_before_agreement`], the message with its descriptors |
//! | the whole of that in one call | the same |
//! | `AGREE_UNIX_FD` and a message with descriptors behind it, as a server | the message with its descriptors |
//!
//! Messages that the peer might not accept are refused or sent in another form:
//!
//! | the caller sends | result |
//! |---|---|
//! | descriptors where none were agreed on | [`FdsNotAgreed`](SendErrorKind::FdsNotAgreed), and the message comes back |
//! | more than 16 in a message, unless told otherwise | [`TooManyFds`](SendErrorKind::TooManyFds), and the message comes back |
//! | descriptors to a client that may still be in its handshake | [`FdsTooEarly`](SendErrorKind::FdsTooEarly), and the message comes back |
//! | a message whose descriptors were taken out | [`FdCount`](MessageError::FdCount), and the message comes back |
//! | more descriptors than may be under way (`ETOOMANYREFS`) | [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight), and the message comes back |
//! | other messages in one call with one that has descriptors | each such message alone |
//! | descriptors again with the rest of a long message | once, with its first byte |
//!
//! Violations of the protocol in the handshake are listed in [`auth`].
//!
//! # What clients may make a server hold
//!
//! All connections of a process share its descriptor table and its memory. A [`Listener`] charges each
//! uid for what its clients make the process hold ([`Budget`]), and what a uid may hold shrinks with
//! the number of uids that hold something, so that a further one always finds its share:
//!
//! | charged | until | at the bound |
//! |---|---|---|
//! | the socket and the pidfd of a client | both halves of the connection are dropped | a further client is closed at once, and [counted](Listener::refused) |
//! | received descriptors | they are [taken](Message::take_fds), sent on or dropped with their message | nothing is read from the clients of the uid |
//! | memory for received bytes | the message is received | nothing is read from a client that needs more |
//! | memory for messages that wait to be sent | they have left | no further message is taken for that client |
//! | sent descriptors | the client has read them | sending descriptors to that client waits |
//!
//! A message whose descriptors wait for its rest keeps room for all that may wait
//! ([`Limits::max_waiting_fds`], but at most half of what a single uid may hold), so that it can be
//! read to its end however little is left to others. One that does not come to its end is overdue in
//! time ([`Limits::message_timeout`]).
//!
//! Up to 64 clients may be in their handshake ([`Listener::with_max_unauthenticated`]). After that, a
//! client of a uid that has fewer of them than another takes the place of the oldest one of that, whose
//! handshake ends with [`HandshakeError::Displaced`].
//!
//! # Limitations
//!
//! - Descriptors that a peer buries behind more than a read's worth of other messages, in one
//!   `sendmsg`, arrive with the first of that and not with theirs; such a peer gets an error, or at
//!   worst one of its own descriptors for another of its own. So does one that declares descriptors
//!   for one message and sends them with the next, if one read has both. Nobody's real program does
//!   either.
//! - Only `EXTERNAL` and `ANONYMOUS` are offered, and only Unix sockets.
//! - Linux is proven. The handshake of FreeBSD sends credentials with its first byte, and is not
//!   here.
//!
//! [tokio]: https://tokio.rs

#![forbid(unsafe_code)]

mod address;
pub mod auth;
mod bus;
pub mod client;
mod codec;
mod connection;
mod credentials;
mod error;
mod guid;
mod handshake;
mod handshake_slots;
mod limits;
mod listener;
mod message;
mod pending_handshakes;
pub mod server;
mod socket;

pub use address::{
    Address, AddressError, Addresses, Bound, BusAddressError, ConnectAttempt, ConnectError,
    ConnectErrorKind, Connected, InvalidAddresses, ListenAttempt, ListenError, ListenErrorKind,
    OtherTransport, RuntimeSocketProblem, Transport,
};
pub use anchovy::{AccountKey, Budget, BudgetBuilder, Resource, Usage};
pub use auth::HandshakeError;
pub use client::{Client, OpenError};
pub use codec::MessageCodec;
pub use connection::{Connection, ConnectionParts, OwnedReadHalf, OwnedWriteHalf};
pub use credentials::Credentials;
pub use error::{
    CallError, CodecError, ErrorReply, KeptLimit, ReceiveError, SendError, SendErrorKind,
};
pub use guid::{Guid, GuidError};
pub use limits::{HandshakeLimits, INTEROPERABLE_FDS, Limits, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES};
pub use listener::{Incoming, Listener};
#[cfg(feature = "zbus")]
pub use message::BodyError;
pub use message::{
    BuildError, ByteOrder, FieldError, Flags, Header, HeaderField, Message, MessageBuilder,
    MessageError, MessageType, RefusedValue, SignatureError,
};
pub use server::Server;
