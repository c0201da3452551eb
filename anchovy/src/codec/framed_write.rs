//! The half of a framed stream that sends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::encoder::Encoder;
use super::policy::WritePolicy;
use super::refused_frame::RefusedFrame;
use super::send_error::{SendError, SendErrorKind};
use super::write_state::{WriteState, flush_error};
use crate::split::owned::OwnedWriteHalf;

/// The [`Sink`] of frames that [`Framed::into_split`](super::Framed::into_split) makes.
///
/// When it is dropped, unsent bytes are lost, unsent descriptors are closed, and the write side is shut
/// down.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (read, mut write) = Framed::new(near, Lines).into_split();
/// let writer = tokio::spawn(async move {
///     write.send(("from the other task".to_owned(), vec![])).await.map(|()| write)
/// });
///
/// let mut far = Framed::new(far, Lines);
/// assert_eq!(far.next().await.expect("a line")?.0, "from the other task");
/// let write = writer.await?.expect("it was sent");
/// let near = read.reunite(write).expect("they are of one stream");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FramedWrite<const S: usize, C> {
    pub(super) half: OwnedWriteHalf<S>,
    pub(super) codec: C,
    pub(super) write: WriteState,
}

impl<const S: usize, C> FramedWrite<S, C> {
    /// Returns the write half.
    pub fn get_ref(&self) -> &OwnedWriteHalf<S> {
        &self.half
    }

    /// Returns the write half. Bytes that the caller writes to it come between frames.
    pub fn get_mut(&mut self) -> &mut OwnedWriteHalf<S> {
        &mut self.half
    }

    /// Returns the codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// Returns the codec.
    pub fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Replaces the codec with the one that `map` makes of it.
    pub fn map_codec<D>(self, map: impl FnOnce(C) -> D) -> FramedWrite<S, D> {
        let FramedWrite { half, codec, write } = self;
        FramedWrite { half, codec: map(codec), write }
    }

    /// See [`Framed::write_policy`](super::Framed::write_policy).
    pub fn write_policy(&self) -> &WritePolicy {
        &self.write.policy
    }

    /// See [`Framed::unsent_bytes`](super::Framed::unsent_bytes).
    pub fn unsent_bytes(&self) -> usize {
        self.write.outbound.len()
    }

    /// See [`Framed::unsent_fds`](super::Framed::unsent_fds).
    pub fn unsent_fds(&self) -> usize {
        self.write.outbound.unsent_fds()
    }

    /// See [`Framed::take_refused`](super::Framed::take_refused).
    pub fn take_refused(&mut self) -> Option<RefusedFrame> {
        self.write.take_refused()
    }
}

impl<const S: usize, C: Encoder<I> + Unpin, I> Sink<I> for FramedWrite<S, C> {
    type Error = SendError<I, SendErrorKind<C::Error>>;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        let side = (&*this.half.socket, &mut this.half.sender);
        match ready!(this.write.poll_ready(side, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(flush_error(error))),
        }
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, frame: I) -> Result<(), Self::Error> {
        let this = self.get_mut();
        this.write.start_send(&mut this.codec, frame, &this.half.sender)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        let side = (&*this.half.socket, &mut this.half.sender);
        this.write.poll_flush(side, cx).map_err(flush_error)
    }

    /// Flushes, and shuts the write side down.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        let side = (&*this.half.socket, &mut this.half.sender);
        this.write.poll_close(side, cx).map_err(flush_error)
    }
}
