//! The handle, which takes and returns descriptors.

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

/// A handle to the descriptors that pass beside the bytes of an
/// [`ExchangeStream`](super::ExchangeStream).
///
/// Handles are cheap to clone, and all of them are equal. They may outlive the stream: descriptors that
/// had arrived can still be taken, until they expire.
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

    /// Queues a descriptor, which leaves with the next byte that is written to the stream, and returns
    /// its id. Put the id into a request that is written after this call: the peer then has the
    /// descriptor when it has the id.
    ///
    /// If the next write has too few bytes for all descriptors that wait (each byte carries up to
    /// [`write_fd_limit`](crate::AnchovyStream::write_fd_limit) of them), the others leave with the
    /// bytes after those, and the peer waits for them.
    ///
    /// The descriptor is closed on this side when it has left, when the stream is shut down for
    /// writing, and when the stream is dropped.
    ///
    /// # Errors
    ///
    /// [`SendErrorKind::TooManyQueued`] and [`SendErrorKind::Closed`]. The error returns the descriptor.
    pub fn send(&self, fd: impl Into<OwnedFd>) -> Result<FdId, SendError> {
        self.shared.queue(fd.into())
    }

    /// Duplicates a descriptor (`F_DUPFD_CLOEXEC`) and [sends](Self::send) the duplicate. A duplicate is
    /// needed because the descriptor leaves with a later write.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), with the duplicate closed, and [`SendErrorKind::Duplicate`].
    pub fn send_borrowed(&self, fd: impl AsFd) -> Result<FdId, SendError> {
        let duplicate = fd
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| SendError { unsent: None, kind: SendErrorKind::Duplicate(error) })?;
        self.send(duplicate).map_err(|error| SendError { unsent: None, ..error })
    }

    /// Takes the descriptor that the peer has sent with this id. If it has not arrived, waits for it,
    /// for at most the [timeout](super::ExchangeBuilder::timeout). The stream has to be read
    /// meanwhile, which an RPC library does.
    ///
    /// The descriptor is close-on-exec. It is another name of the *same* open file: offset and status
    /// flags are shared with the peer (dup(2)), and the file can be of any type. Check what a peer that
    /// is not trusted has sent before you use it.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]. Each variant has its own cause; see the [module](super#errors).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a descriptor that was not returned stays, and a later call takes it.
    pub async fn receive(&self, id: FdId) -> Result<OwnedFd, ReceiveError> {
        let timeout = self.shared.timeout();
        let taking = Taking { shared: &self.shared, id, ticket: None };
        match tokio::time::timeout(timeout, taking).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ReceiveError::NotArrived { id, timeout }),
        }
    }

    /// Returns the number of descriptors that are queued and have not left.
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
