//! D-Bus over Unix sockets, for [tokio]: whole messages, each with exactly its descriptors.
//!
//! This crate is a transport. It connects and listens, authenticates, and sends and receives messages.
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
//! | Task | Item |
//! |---|---|
//! | Connect to a bus | [`Client::session`], [`Client::system`] |
//! | Connect to any address, with options | [`Client`], [`Addresses`] |
//! | Call a method and wait for its reply | [`Connection::call`] |
//! | Send and receive messages | [`Connection`], [`OwnedReadHalf`], [`OwnedWriteHalf`] |
//! | Build messages and read their headers | [`Message`], [`MessageBuilder`], [`Header`] |
//! | Listen | [`Server`], [`Listener`] |
//! | Perform the steps of a handshake one by one | [`client`], [`server`] |
//! | Perform the handshake without a socket | [`auth`] |
//! | Limit sizes, numbers and times | [`Limits`], [`HandshakeLimits`], [`Budget`] |
//! | Use messages without a handshake | [`MessageCodec`] |
//!
//! The guide `docs/dbus.md` of the repository begins with a service and its client, and `docs/errors.md`
//! says what to do after each error.
//!
//! # Features
//!
//! | Feature | Contents | MSRV |
//! |---|---|---|
//! | none (default) | A body is a signature and bytes ([`MessageBuilder::body`], [`Message::body`]). | 1.85 |
//! | `zbus` | A body can be a value of serde and zbus, with descriptors (`MessageBuilder::body_of`, `Message::body_as`). zbus is used without its default features: only its types and their serialization are compiled, no connections. | that of zbus, 1.89 |
//!
//! # Calls
//!
//! [`Connection::call`] sends a method call and waits for its reply. Messages that arrive before the
//! reply are kept for [`receive`](Connection::receive). A call that ends without its reply is
//! *abandoned*: if the reply arrives later, it is discarded and its descriptors are closed.
//!
//! Every error converts into a [`std::io::Error`]. The error of a system call keeps its
//! [`ErrorKind`](std::io::ErrorKind). The other errors get a kind that corresponds to their cause.
//!
//! If a call is refused before it is sent, the error contains the message
//! ([`CallError::into_unsent`]):
//!
//! | The caller | Result |
//! |---|---|
//! | calls with a message that is not a method call | [`NotACall`](CallError::NotACall) |
//! | calls with the flag `NO_REPLY_EXPECTED` | [`NoReplyExpected`](CallError::NoReplyExpected) |
//! | calls with a message that cannot be sent | [`Send`](CallError::Send) |
//! | calls with a message that has the serial of an abandoned call | [`Send`](CallError::Send), with [`SerialInUse`](SendErrorKind::SerialInUse) |
//! | calls while [`Limits::max_abandoned_calls`] calls are abandoned | [`TooManyAbandonedCalls`](CallError::TooManyAbandonedCalls) |
//! | calls while the kept messages have reached a limit | [`TooMuchKept`](CallError::TooMuchKept) |
//!
//! These cases are about calls without a reply, and about replies that arrive after their call was
//! abandoned:
//!
//! | The caller or the peer | Result |
//! |---|---|
//! | The caller drops the future of a call. | The call is abandoned. |
//! | The peer does not reply within [`Limits::reply_timeout`]. | [`Timeout`](CallError::Timeout). The call is abandoned. |
//! | The caller calls its own name on the bus. | [`Timeout`](CallError::Timeout) after [`Limits::reply_timeout`]. [`receive`](Connection::receive) then returns the call. Without a timeout, the call waits until the connection ends. |
//! | The peer replies to an abandoned call. | The reply is discarded and its descriptors are closed. |
//! | The peer replies to an abandoned call twice. | [`receive`](Connection::receive) returns the second reply. |
//!
//! | The peer | Result |
//! |---|---|
//! | replies with an error | [`ErrorReply`](CallError::ErrorReply), which contains the message |
//! | sends other messages before the reply | [`receive`](Connection::receive) returns them first, in order |
//! | sends so many other messages before the reply that they reach [`Limits::max_kept_messages`], [`max_kept_bytes`](Limits::max_kept_bytes) or [`max_kept_fds`](Limits::max_kept_fds) | [`TooMuchKept`](CallError::TooMuchKept); the call is abandoned, and [`receive`](Connection::receive) returns the messages |
//! | on a connection of a [`Listener`], sends so many other messages before the reply that the [`Budget`] has no room for them | [`TooMuchKept`](CallError::TooMuchKept); the call is abandoned, and [`receive`](Connection::receive) returns the messages |
//! | does not read until its own messages have been read | the call succeeds, because the connection reads while it writes |
//! | replies before the whole call was sent | the reply is returned; the rest of the call stays in the buffer until the next `flush`, `send` or `call` |
//! | closes the connection between two messages | [`Closed`](CallError::Closed) |
//! | closes the connection before it has read all messages (`ECONNRESET`) | [`Closed`](CallError::Closed) |
//! | closes the connection inside a message | [`Receive`](CallError::Receive) |
//! | sends bytes that are not a valid message | [`Receive`](CallError::Receive) |
//! | is a bus, and closes the connection because the first message of the client was not `Hello` | [`ClosedBeforeHello`](CallError::ClosedBeforeHello), also from [`receive`](ReceiveError::ClosedBeforeHello) and [`send`](SendErrorKind::ClosedBeforeHello) |
//! | replies to [`Connection::hello`] without a unique name | [`NoUniqueName`](CallError::NoUniqueName) |
//!
//! With the feature `zbus`:
//!
//! | The caller or the peer | Result |
//! |---|---|
//! | The caller builds a body from a value that cannot be encoded. | `MessageError::Body`. The error contains the descriptors that were added to the builder. |
//! | The caller requests a value whose signature differs from that of the body. | `BodyError::Signature`, with both signatures. |
//! | The peer sends a body that does not match its signature, or that has an index (`h`) to which no descriptor belongs. | `BodyError::Decode`. |
//! | The peer sends a body that is longer than its values. | `BodyError::TrailingBytes`. |
//!
//! # Which message has which descriptors
//!
//! A message declares its number of descriptors in the header field `UNIX_FDS`. Its descriptors are sent
//! "at the same time as part of the message itself" (D-Bus Specification, "Header Fields"). On a
//! stream socket, descriptors belong to the bytes of one `sendmsg`, and one read can return the
//! bytes of several messages:
//!
//! ```text
//! sent      A (UNIX_FDS=0)    B (UNIX_FDS=2) + 2 descriptors    C (UNIX_FDS=0)
//! read 1    A B               2 descriptors
//! read 2    C
//! ```
//!
//! The descriptors of one read are a *descriptor set*. This crate records which bytes were read with
//! each set. A message gets descriptors only from sets that were read with its own bytes, and as many
//! as it declares. If a set has more descriptors than are declared by the messages that were read with
//! it, the connection ends. So if each `UNIX_FDS` of the peer is the true number, no message gets the
//! descriptors of another one, with the exceptions in [Limitations](#limitations).
//!
//! Since Linux 6.16, the kernel can refuse descriptors (`SO_PASSRIGHTS`): the `sendmsg` of the peer
//! fails with `EPERM`. A server lets the kernel refuse descriptors until descriptor passing is
//! negotiated, unless [`Server::fds_before_agreement`] is set. If descriptor passing was not negotiated in
//! the handshake, both client and server let the kernel refuse descriptors for the rest of the connection.
//!
//! The *account* of a uid limits what the clients of the uid make a server hold; see
//! [below](#limits-on-what-clients-make-a-server-hold).
//!
//! Peers send descriptors in many ways, and some violate the protocol. In this table, an error
//! means that [`receive`](Connection::receive) returns this [`ReceiveError`], and that the descriptors
//! of all messages that `receive` has not returned are closed. Other connections are not affected.
//!
//! | The peer sends | Result |
//! |---|---|
//! | each message in its own `sendmsg` | each message has its descriptors |
//! | a message with descriptors and then one without, in one `sendmsg` | each message has its descriptors |
//! | a message without descriptors and then one with descriptors, in one `sendmsg` | each message has its descriptors, with the exception in [Limitations](#limitations) |
//! | two messages that declare one descriptor each, and two descriptors, in one `sendmsg` | each message has one if one read returns bytes of both; otherwise [`UnclaimedFds`](ReceiveError::UnclaimedFds) |
//! | descriptors with a later part of their message, or with its last byte | the message has its descriptors |
//! | in one `sendmsg`: descriptors, the last byte of their message, and the whole next message | the first message has them |
//! | the descriptors of one message in two `sendmsg` calls | the message has both sets, in order |
//! | the descriptors of a message twice | [`UnclaimedFds`](ReceiveError::UnclaimedFds) |
//! | fewer descriptors than a message declares | [`MissingFds`](ReceiveError::MissingFds) |
//! | more descriptors than a message declares, or descriptors without a declaration | [`UnclaimedFds`](ReceiveError::UnclaimedFds) |
//! | three descriptors with a message that declares one, and none with a message that declares two | [`UnclaimedFds`](ReceiveError::UnclaimedFds), and the second message is not received |
//! | descriptors that were not negotiated | its `sendmsg` fails if the kernel can refuse descriptors; otherwise [`FdsNotAgreed`](ReceiveError::FdsNotAgreed) |
//! | a declaration without descriptors, if descriptors were not negotiated | [`FdsNotAgreed`](ReceiveError::FdsNotAgreed) |
//! | `UNIX_FDS` with the value 4294967295 | [`TooManyFds`](ReceiveError::TooManyFds) |
//! | more descriptors in one `sendmsg` than [`Limits::max_received_fds`], or a message that declares more than this limit | [`TooManyFds`](ReceiveError::TooManyFds) |
//! | `UNIX_FDS` with another type, or twice | [`Message`](ReceiveError::Message) |
//! | a body with an index (`h`) to which no descriptor belongs, or with the same index twice | the message is received; the caller checks bodies |
//! | a message with descriptors in the other byte order | the message has its descriptors |
//! | a message of an unknown type with descriptors | the message has its descriptors |
//! | an invalid byte order, type 0, version 2, serial 0, or a length over its limit | [`Message`](ReceiveError::Message), before the rest of the message arrives |
//! | invalid header fields | [`Message`](ReceiveError::Message), after the whole message has arrived |
//! | the start of a message with descriptors, and not the rest in time | [`FdsOverdue`](ReceiveError::FdsOverdue) |
//! | the start of a message, and not the rest in time | [`MessageOverdue`](ReceiveError::MessageOverdue) on a server; a client waits, unless [`Limits::message_timeout`] is set |
//! | the start of a message, and one descriptor set after another | [`TooManyWaitingFds`](ReceiveError::TooManyWaitingFds) |
//! | the start of a message, and then closes the connection | [`ClosedInsideMessage`](ReceiveError::ClosedInsideMessage) |
//! | more descriptors than the account of its uid has room for | receiving waits until other connections of this uid release descriptors; if these connections hold only their sockets and pidfds, [`FdsOverBudget`](ReceiveError::FdsOverBudget) |
//! | a message that needs more memory than the account of its uid can ever have | [`BytesOverBudget`](ReceiveError::BytesOverBudget) |
//! | descriptors while the descriptor table of this process is full | [`Truncated`](ReceiveError::Truncated) on a client; a server receives the message without descriptors, and [`Message::truncation`] returns the reason |
//! | its handshake and then a message with descriptors before the server has replied, in two `sendmsg` calls or one | its `sendmsg` fails if the kernel can refuse descriptors. On older kernels, and with [`Server::fds_before_agreement`] on all kernels, the message has its descriptors |
//! | descriptors in a `sendmsg` that contains only bytes of its handshake | its `sendmsg` fails if the kernel can refuse descriptors; otherwise, the handshake fails with [`Descriptors`](HandshakeError::Descriptors) |
//! | (the peer is a server) `AGREE_UNIX_FD` and then a message with descriptors | the message has its descriptors |
//!
//! A message that the peer might not accept is refused, and the error contains it. The last two rows
//! are about how descriptors are sent:
//!
//! | The caller sends | Result |
//! |---|---|
//! | descriptors that were not negotiated | [`FdsNotAgreed`](SendErrorKind::FdsNotAgreed) |
//! | more descriptors in one message than [`Limits::max_sent_fds`] (default: 16) | [`TooManyFds`](SendErrorKind::TooManyFds) |
//! | descriptors to a client that may not have finished its handshake | [`FdsTooEarly`](SendErrorKind::FdsTooEarly) |
//! | a message from which the descriptors were taken | [`FdCount`](MessageError::FdCount) |
//! | descriptors while too many are in flight: sent by all processes of this user, and not received yet (`ETOOMANYREFS`, unix(7)) | [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight) |
//! | a message with descriptors among others | the message is sent with its own `sendmsg` |
//! | a long message with descriptors | the descriptors are sent with its first byte |
//!
//! For violations of the protocol in the handshake, see [`auth`].
//!
//! # Limits on what clients make a server hold
//!
//! All connections of a process share its descriptor table and its memory. The [`Budget`] of a
//! [`Listener`] has an account for each uid. What the clients of the uid make the process hold is charged
//! to the account. What one account may hold shrinks as more accounts hold something, so that room is left
//! for a uid that holds nothing yet.
//!
//! | Charged | Until | At the limit |
//! |---|---|---|
//! | the socket and the pidfd of a client | both halves of the connection are dropped | a further client of the uid is closed at once and [counted](Listener::refused) |
//! | received descriptors | they are [taken](Message::take_fds), forwarded or dropped with their message | the server does not read from the clients of the uid |
//! | memory for received bytes | the message is received | the server does not read from the client that needs more |
//! | memory for messages that a [call](Connection::call) keeps | they are received | the call fails with [`TooMuchKept`](CallError::TooMuchKept) |
//! | memory for messages that wait to be sent | they have been sent | sending to the client waits |
//! | sent descriptors | the client has read them | sending descriptors to the client waits |
//!
//! While descriptors of a connection wait for the rest of their message, a fixed number of descriptors is
//! charged to the account, even if fewer wait. This number is [`Limits::max_waiting_fds`], or a quarter of
//! the total of the budget if that is less. So other connections of the uid cannot take the room that the
//! rest of the message needs. If the rest of the message does not arrive,
//! [`receive`](Connection::receive) returns [`FdsOverdue`](ReceiveError::FdsOverdue) after
//! [`Limits::fd_timeout`], or [`MessageOverdue`](ReceiveError::MessageOverdue) after
//! [`Limits::message_timeout`], whichever ends first.
//!
//! Up to 64 clients can be in their handshake at once ([`Listener::with_max_unauthenticated`]). At this
//! number, a new client is accepted only if another uid has more clients in the handshake than the uid
//! of the new client has. Then the oldest client of the uid with the most clients in the handshake is
//! displaced: its handshake fails with [`HandshakeError::Displaced`]. Otherwise the new client is closed
//! at once and [counted](Listener::refused).
//!
//! # Limitations
//!
//! - One `sendmsg` can contain several messages, of which only the last has descriptors. The kernel
//!   delivers the descriptors with the first bytes of the `sendmsg`. If the read that returns them ends
//!   before the last message, the descriptors arrive with an earlier message. Then
//!   [`receive`](Connection::receive) returns [`UnclaimedFds`](ReceiveError::UnclaimedFds), and no message
//!   gets a wrong descriptor. A proxy that copies bytes and descriptors without parsing messages can send
//!   such messages ([`anchovy::copy`](anchovy::copy())).
//! - A peer can declare descriptors for one message and send them with the next. If one read returns both
//!   messages, the first one gets descriptors that were sent with the second, or `receive` returns an
//!   error. No known program does this.
//! - The only mechanisms are `EXTERNAL` and `ANONYMOUS`. The only transport is Unix sockets.
//!
//! # Platform-specific behavior
//!
//! This crate is tested on Linux. On FreeBSD, the reference implementation sends credentials with the
//! first byte of the handshake. This crate does not send them, so servers on FreeBSD may reject its
//! clients.
//!
//! [tokio]: https://tokio.rs

#![forbid(unsafe_code)]
// On docs.rs, an item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
pub mod auth;
mod bus;
pub mod client;
mod codec;
mod connection;
mod credentials;
mod descriptors;
mod error;
mod guid;
mod handshake;
mod handshake_slots;
mod limits;
mod listener;
mod message;
#[cfg(all(test, feature = "zbus"))]
mod messages;
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
