//! Descriptors together with the bytes of an RPC library.
//!
//! Libraries such as hyper, tonic and capnp read and write the bytes of a stream themselves, and do
//! not support descriptors. An exchange passes descriptors together with these bytes: [`new`] turns an
//! [`AnchovyStream`](crate::AnchovyStream) into an [`ExchangeStream`] and an [`Exchange`]. The program
//! gives the `ExchangeStream` to the library, and keeps the `Exchange`, a handle that can be cloned.
//!
//! 1. The sender passes a descriptor to [`Exchange::send`], which returns an [`FdId`].
//! 2. The sender puts the id into its request.
//! 3. The receiver takes the id from the request, and passes it to [`Exchange::receive`], which returns
//!    the descriptor.
//!
//! To pass descriptors, both ends of the connection have to be exchanges. A peer without an exchange
//! can still receive the bytes. With the first byte it also receives one descriptor, the carrier (see
//! below), which it should close.
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
//! A descriptor is sent with the next byte that is written to the stream after [`Exchange::send`]. The
//! request with its id is written after that call, so the descriptor normally arrives no later than the
//! id:
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
//! Each end of a connection chooses a random number, which is a part of the ids of all descriptors that
//! it sends. The *carrier* is a descriptor that each end sends with its first byte, before all other
//! descriptors. It is a sealed memfd (memfd_create(2)) that contains the random number of the sender. The
//! receiver reads the number and closes the carrier at once. With the number, it can recognize ids of other
//! connections. If the kernel refuses descriptors at the first byte, that byte is sent without the carrier,
//! and the carrier is sent together with the first descriptor.
//!
//! At most [`write_fd_limit`](crate::AnchovyStream::write_fd_limit) descriptors are sent with one byte. If
//! more are queued, the first group is sent with the first byte, the next group with the second byte,
//! and so on, with one system call each. The last group is sent with all remaining bytes. If a write has
//! fewer bytes than groups, or the socket becomes full, the remaining descriptors are sent with the next
//! write. In this case an id may arrive before its descriptor, and [`Exchange::receive`] waits for the
//! descriptor.
//!
//! An id is valid only on the connection on which its descriptor is sent. To repeat a request on another
//! connection, send its descriptors again and use the new ids. If a library has a pool of connections,
//! the program has to use the handle of the connection that the library sends the request on.
//!
//! # Limits
//!
//! | Limit | Default | At the limit |
//! |---|---|---|
//! | Descriptors that are queued and not yet sent ([`max_queued`](ExchangeBuilder::max_queued)) | 1,024 | `send` fails |
//! | Descriptors that have arrived and were not taken ([`max_unclaimed`](ExchangeBuilder::max_unclaimed)) | 1,024 + [`FD_LIMIT`](crate::AnchovyStream::FD_LIMIT) | the read side fails |
//! | Time for which a descriptor waits to be taken ([`timeout`](ExchangeBuilder::timeout)) | 30 s | the descriptor is closed |
//! | Time for which `receive` waits ([`timeout`](ExchangeBuilder::timeout)) | 30 s | `receive` fails |
//!
//! If the stream has an [account](crate::AnchovyStream::set_account), descriptors that have arrived stay
//! charged to it until they are taken or closed.
//!
//! # Errors
//!
//! | Who | Does | Result |
//! |---|---|---|
//! | The peer | sends an id of another connection | [`ReceiveError::ForeignId`] once the carrier of the peer has arrived; before that, [`ReceiveError::OutOfRange`] if the number of the id is too high, and otherwise [`ReceiveError::NotArrived`] after `timeout` |
//! | The peer | sends an id whose descriptor it never sends | [`ReceiveError::NotArrived`] after `timeout` |
//! | The peer | ends the stream before it sends the descriptor of an id | [`ReceiveError::EndOfStream`] |
//! | The peer | sends an id whose number is too high ([`max_unclaimed`](ExchangeBuilder::max_unclaimed)) | [`ReceiveError::OutOfRange`] |
//! | The peer | sends text that is no id | [`ParseFdIdError`] |
//! | The peer | sends up to `max_unclaimed` descriptors that are not taken | the descriptors are closed after `timeout` |
//! | The peer | sends more than `max_unclaimed` descriptors that are not taken | reads fail with [`ExchangeError::TooManyUnclaimed`], `receive` with [`ReceiveError::StreamFailed`] |
//! | The peer | sends descriptors without an exchange | reads fail with [`ExchangeError::NotAnExchange`], `receive` with [`ReceiveError::StreamFailed`] |
//! | The peer | sends more descriptors in one message than the stream allows | reads fail with [`FdError::TooManyReceived`](crate::FdError::TooManyReceived), `receive` with [`ReceiveError::StreamFailed`] |
//! | The peer | refuses descriptors (`SO_PASSRIGHTS`) | writes fail with [`FdError::RefusedByPeer`](crate::FdError::RefusedByPeer) while a descriptor is queued; otherwise bytes are sent |
//! | The peer | does not read, so that too many descriptors are in flight (sent and not received) | writes fail with [`FdError::TooManyInFlight`](crate::FdError::TooManyInFlight) while a descriptor is queued; otherwise bytes are sent |
//! | The caller | calls `receive` with an id that `send` of the same side returned | [`ReceiveError::ForeignId`] |
//! | The caller | calls `receive` with an id whose descriptor was taken before | [`ReceiveError::AlreadyTaken`] |
//! | The caller | calls `receive` later than `timeout` after the arrival of the descriptor | [`ReceiveError::Expired`] |
//! | The caller | calls `receive` with an id whose descriptor had not arrived when the stream was dropped | [`ReceiveError::Closed`] |
//! | The caller | queues more than `max_queued` descriptors | [`SendErrorKind::TooManyQueued`], and the descriptor is returned |
//! | The caller | queues a descriptor after the stream was shut down or dropped | [`SendErrorKind::Closed`], and the descriptor is returned |
//! | The caller | shuts down the stream while descriptors are queued | the descriptors are closed |
//!
//! # Platform-specific behavior
//!
//! On systems without sealed memfds, such as macOS, the carrier is a pipe that contains the random
//! number.

mod carrier;
mod exchange_builder;
mod exchange_error;
mod exchange_stream;
mod expiry;
mod fd_id;
mod handle;
mod incoming;
#[cfg(all(test, anchovy_loom))]
mod models;
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
