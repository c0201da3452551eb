//! The receiving half of a connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchovy::WAYLAND_SCM_RIGHTS;
use anchovy::codec::FramedRead;
use futures_core::Stream;

use crate::codec::{Codec, Signatures};
use crate::error::receive_error::ReceiveError;
use crate::wire::message::Message;

/// The [`Stream`] of messages that [`Connection::into_split`](crate::Connection::into_split) makes.
#[derive(Debug)]
pub struct OwnedReadHalf<G> {
    pub(crate) framed: FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
    /// Messages that were received and put back: they are the next.
    pub(crate) requeued: VecDeque<Message>,
}

impl<G: Signatures + Unpin> OwnedReadHalf<G> {
    /// The next message; `None` once the peer has closed the connection between two of them.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: nothing more can be received, and from then on there is `None`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        poll_fn(|cx| self.poll_message(cx).map(Option::transpose))
    }

    #[inline]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReceiveError>>> {
        if let Some(message) = self.requeued.pop_front() {
            return Poll::Ready(Some(Ok(message)));
        }
        let next = ready!(Pin::new(&mut self.framed).poll_next(cx));
        Poll::Ready(next.map(|next| {
            next.map_err(|error| ReceiveError::from_codec(error, self.framed.codec().last))
        }))
    }
}

impl<G> OwnedReadHalf<G> {
    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures(&self) -> &G {
        &self.framed.codec().signatures
    }

    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures_mut(&mut self) -> &mut G {
        &mut self.framed.codec_mut().signatures
    }

    /// The same half with another source of counts.
    pub fn map_signatures<H>(self, map: impl FnOnce(G) -> H) -> OwnedReadHalf<H> {
        OwnedReadHalf {
            framed: self.framed.map_codec(|codec| codec.map(map)),
            requeued: self.requeued,
        }
    }
}

impl<G: Signatures + Unpin> Stream for OwnedReadHalf<G> {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_message(cx)
    }
}
