//! The receiving half of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::codec::FramedRead;
use futures_core::Stream;

use super::peer::Peer;
use super::write_half::OwnedWriteHalf;
use crate::codec::MessageCodec;
use crate::credentials::Credentials;
use crate::error::receive_error::ReceiveError;
use crate::guid::Guid;
use crate::message::content::Message;

/// The [`Stream`] of messages that [`Connection::into_split`](crate::Connection::into_split) makes.
#[derive(Debug)]
pub struct OwnedReadHalf {
    framed: FramedRead<DBUS_SCM_RIGHTS, MessageCodec>,
    peer: Arc<Peer>,
    /// A copy of [`Peer::has_sent`], which needs no atomic load for each message.
    peer_has_sent: bool,
}

impl OwnedReadHalf {
    pub(super) fn new(
        framed: FramedRead<DBUS_SCM_RIGHTS, MessageCodec>,
        peer: Arc<Peer>,
    ) -> OwnedReadHalf {
        let peer_has_sent = peer.has_sent.load(Ordering::Relaxed);
        OwnedReadHalf { framed, peer, peer_has_sent }
    }

    pub(super) fn into_framed(self) -> FramedRead<DBUS_SCM_RIGHTS, MessageCodec> {
        self.framed
    }

    pub(super) fn is_of_one_connection_with(&self, write: &OwnedWriteHalf) -> bool {
        Arc::ptr_eq(&self.peer, write.peer())
    }

    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.peer.guid
    }

    /// Returns the credentials of the peer, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.peer.credentials
    }

    /// Returns whether descriptor passing was negotiated in the handshake.
    pub fn unix_fds(&self) -> bool {
        self.peer.unix_fds
    }

    /// The next message; `None` once the peer has closed the connection between two of them.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: nothing more can be received, and from then on there is `None`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    pub async fn receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for OwnedReadHalf {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.framed).poll_next(cx));
        if !this.peer_has_sent && matches!(next, Some(Ok(_))) {
            this.peer_has_sent = true;
            this.peer.has_sent.store(true, Ordering::Release);
        }
        Poll::Ready(next.map(|next| next.map_err(ReceiveError::from)))
    }
}
