//! Descriptors beside the bytes of an RPC library.
//!
//! Libraries such as hyper, tonic and capnp read and write the bytes of a stream themselves, and know
//! nothing of descriptors. An exchange passes descriptors beside their bytes: [`new`] turns an
//! [`AnchovyStream`](crate::AnchovyStream) into an [`ExchangeStream`], which is given to the library, and
//! an [`Exchange`], a handle that can be cloned. The sender gives a descriptor to its handle, gets a
//! [`FdId`], and puts the id into its request. The receiver takes the id from the request and trades it
//! for the descriptor at its own handle.
//!
//! Both ends of the connection have to be exchanges. A peer that never sends a descriptor can also be
//! any other program: it loses the one descriptor that an exchange sends with its first byte.
//!
//! # Examples
//!
//! ```
//! use std::fs::File;
//! use std::io::Read;
//!
//! use anchovy::UnixStream;
//! use anchovy::exchange::{self, FdId};
//! use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, theirs) = UnixStream::pair()?;
//! let (mut client, client_fds) = exchange::new(ours)?;
//! let (server, server_fds) = exchange::new(theirs)?;
//!
//! // The client: the text stands for a request that an RPC library writes.
//! let id = client_fds.send_borrowed(File::open("/dev/zero")?)?;
//! client.write_all(format!("{{\"file\":\"{id}\"}}\n").as_bytes()).await?;
//!
//! // The server: an RPC library reads the request, and calls a handler with the id.
//! let mut request = String::new();
//! let mut server = BufReader::new(server);
//! server.read_line(&mut request).await?;
//! let id: FdId = request.split('"').nth(3).ok_or("no id")?.parse()?;
//! let mut file = File::from(server_fds.receive(id).await?);
//!
//! let mut zeros = [1; 4];
//! file.read_exact(&mut zeros)?;
//! assert_eq!(zeros, [0; 4]);
//! # Ok(())
//! # }
//! ```
//!
//! Complete servers and clients with hyper, tonic and axum are in `interop-tests/rpc` of the repository.
//!
//! # Which bytes carry which descriptor
//!
//! A descriptor leaves with the next byte that is written to the stream after [`Exchange::send`]. The
//! request with its id is written after that call, so the descriptor arrives no later than the id:
//!
//! ```text
//! call                bytes written           descriptors with the first of these bytes
//! send(a) → 0-9f…
//! send(b) → 1-9f…
//! write               {"file":"0-9f…"}        carrier, a, b
//! write               {"file":"1-9f…"}
//! send(c) → 2-9f…
//! write               {"file":"2-9f…"}        c
//! ```
//!
//! The *carrier* leaves with the first byte of each direction, before all other descriptors. It is a
//! sealed memfd (memfd_create(2)) whose content is the random number of the direction, which is a part
//! of every id. It tells the receiver which ids are of this connection. The receiver closes it at once.
//! If the kernel does not take a descriptor with the first byte, the carrier leaves with the first
//! descriptor that is sent.
//!
//! Each byte carries at most [`write_fd_limit`](crate::AnchovyStream::write_fd_limit) descriptors. If
//! more wait, the first full set leaves with the first byte, the next set with the second byte, and so
//! on, one system call each; the rest of the bytes leaves with the last set. If a write has fewer bytes
//! than sets, the remaining descriptors leave with the bytes after those, and
//! [`Exchange::receive`] waits for them.
//!
//! A request that is repeated on another connection needs other ids: descriptors are bound to the
//! connection that they were sent on. For a library with a pool of connections, this means that the
//! handle and the connection of a request have to be chosen together.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | descriptors that wait to leave ([`max_queued`](ExchangeBuilder::max_queued)) | 1,024 | `send` fails |
//! | descriptors that wait to be taken ([`max_unclaimed`](ExchangeBuilder::max_unclaimed)) | 1,024 + [`FD_LIMIT`](crate::AnchovyStream::FD_LIMIT) | the read side fails |
//! | time that a descriptor waits to be taken ([`timeout`](ExchangeBuilder::timeout)) | 30 s | it is closed |
//! | time that `receive` waits ([`timeout`](ExchangeBuilder::timeout)) | 30 s | `receive` fails |
//!
//! If the stream has an [account](crate::AnchovyStream::set_account), descriptors that wait to be taken
//! stay charged to it until they are taken or closed.
//!
//! # Errors
//!
//! | the peer or the caller | result |
//! |---|---|
//! | sends an id of another connection | [`ReceiveError::ForeignId`] |
//! | asks for a descriptor that this side has sent | [`ReceiveError::ForeignId`] |
//! | asks for an id twice | [`ReceiveError::AlreadyTaken`] |
//! | asks for a descriptor later than `timeout` after its arrival | [`ReceiveError::Expired`] |
//! | sends an id whose descriptor it never sends | [`ReceiveError::NotArrived`] after `timeout` |
//! | ends the stream before the descriptor of an id | [`ReceiveError::EndOfStream`] |
//! | sends an id with a number that is too high | [`ReceiveError::OutOfRange`] |
//! | asks for a descriptor that had not arrived when the stream was dropped | [`ReceiveError::Closed`] |
//! | sends text that is no id | [`ParseFdIdError`] |
//! | sends descriptors that are not taken, up to `max_unclaimed` | they are closed after `timeout` |
//! | sends more descriptors than that | reads fail with [`ExchangeError::TooManyUnclaimed`], `receive` with [`ReceiveError::StreamFailed`] |
//! | sends descriptors without an exchange | reads fail with [`ExchangeError::NotAnExchange`], `receive` with [`ReceiveError::StreamFailed`] |
//! | sends more descriptors in one message than the stream allows | reads fail with [`FdError::TooManyReceived`](crate::FdError::TooManyReceived), `receive` with [`ReceiveError::StreamFailed`] |
//! | refuses descriptors (`SO_PASSRIGHTS`) | writes fail with [`FdError::RefusedByPeer`](crate::FdError::RefusedByPeer) while a descriptor waits; bytes alone pass |
//! | does not read, so that the kernel carries no more descriptors | writes fail with [`FdError::TooManyInFlight`](crate::FdError::TooManyInFlight) while a descriptor waits; bytes alone pass |
//! | queues more than `max_queued` descriptors | [`SendErrorKind::TooManyQueued`] with the descriptor |
//! | queues a descriptor after the stream was shut down or dropped | [`SendErrorKind::Closed`] with the descriptor |
//! | shuts the stream down while descriptors wait to leave | they are closed |
//!
//! # Platform-specific behavior
//!
//! On systems without files in memory that can be sealed (macOS among them), the carrier is a pipe with
//! the random number in it.

mod carrier;
mod exchange_builder;
mod exchange_error;
mod exchange_stream;
mod expiry;
mod fd_id;
mod handle;
mod incoming;
mod nonce;
mod receive_error;
mod send_error;
mod shared;

pub use exchange_builder::{ExchangeBuilder, new};
pub use exchange_error::ExchangeError;
pub use exchange_stream::ExchangeStream;
pub use fd_id::{FdId, ParseFdIdError};
pub use handle::Exchange;
pub use receive_error::ReceiveError;
pub use send_error::{SendError, SendErrorKind};
