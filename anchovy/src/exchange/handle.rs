//! The handle that accepts and returns descriptors.

use std::fmt;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::fd_id::FdId;
use super::receive_error::ReceiveError;
use super::send_error::{SendError, SendErrorKind};
use super::shared::Shared;

/// A handle that sends and receives the descriptors of an [`ExchangeStream`](super::ExchangeStream).
///
/// Handles are cheap to clone. All clones refer to the same stream. They may outlive the stream:
/// descriptors that had arrived can still be taken, until they expire.
///
/// See the [module](super) for an example.
#[derive(Clone)]
pub struct Exchange {
    shared: Arc<Shared>,
}

impl Exchange {
    pub(super) fn new(shared: Arc<Shared>) -> Exchange {
        Exchange { shared }
    }

    /// Queues a descriptor, which is sent with the next byte that is written to the stream, and returns
    /// its id. Put the id into a request that is written after this call.
    ///
    /// Normally, the descriptor arrives no later than the id. It may arrive later if the next write has too
    /// few bytes for all queued descriptors: at most [`write_fd_limit`](crate::AnchovyStream::write_fd_limit)
    /// of them are sent with one byte, and the remaining ones with the write after that. In this case
    /// [`receive`](Self::receive) of the peer waits for the descriptor.
    ///
    /// The descriptor is closed on this side when it has been sent, when the write side of the stream is
    /// shut down, or when the stream is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`SendErrorKind::TooManyQueued`] or [`SendErrorKind::Closed`]. The error contains the
    /// descriptor.
    pub fn send(&self, fd: impl Into<OwnedFd>) -> Result<FdId, SendError> {
        self.shared.queue(fd.into())
    }

    /// Duplicates a descriptor (`F_DUPFD_CLOEXEC`) and [sends](Self::send) the duplicate. A duplicate is
    /// needed because the descriptor is sent with a later write.
    ///
    /// # Errors
    ///
    /// Returns [`SendErrorKind::Duplicate`], or the same errors as [`send`](Self::send). The duplicate is
    /// closed.
    pub fn send_borrowed(&self, fd: impl AsFd) -> Result<FdId, SendError> {
        let duplicate = fd
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| SendError { unsent: None, kind: SendErrorKind::Duplicate(error) })?;
        self.send(duplicate).map_err(|error| SendError { unsent: None, ..error })
    }

    /// Returns the descriptor of an id that [`send`](Self::send) of the peer has returned. If the descriptor
    /// has not arrived, waits for it, for at most the [timeout](super::ExchangeBuilder::timeout).
    /// Descriptors arrive only while the stream is read, which an RPC library does.
    ///
    /// The descriptor is close-on-exec. It refers to the *same* open file as the peer's: file offset
    /// and status flags are shared (dup(2)). The file can be of any type, so check it before use if the
    /// peer is not trusted.
    ///
    /// # Errors
    ///
    /// Returns a [`ReceiveError`], whose variants distinguish the causes; see the
    /// [module](super#errors).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the descriptor was not taken, and a later
    /// call can take it.
    pub async fn receive(&self, id: FdId) -> Result<OwnedFd, ReceiveError> {
        let timeout = self.shared.timeout();
        let taking = Taking { shared: &self.shared, id, ticket: None };
        match tokio::time::timeout(timeout, taking).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ReceiveError::NotArrived { id, timeout }),
        }
    }

    /// Returns the number of descriptors that are queued and not yet sent.
    pub fn queued(&self) -> usize {
        self.shared.pending()
    }

    /// Returns the number of descriptors that have arrived and have neither been taken nor expired.
    pub fn unclaimed(&self) -> usize {
        self.shared.unclaimed()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("queued", &self.queued())
            .field("unclaimed", &self.unclaimed())
            .finish()
    }
}

/// A call that waits for a descriptor.
struct Taking<'a> {
    shared: &'a Shared,
    id: FdId,
    ticket: Option<u64>,
}

impl Future for Taking<'_> {
    type Output = Result<OwnedFd, ReceiveError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Taking { shared, id, ticket } = self.get_mut();
        shared.poll_take(cx, *id, ticket)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.cancel(ticket);
        }
    }
}
