//! The whole framed stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::time::Instant;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::framed_parts::FramedParts;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::policy::{ReadPolicy, WritePolicy};
use super::read_state::{FrameResult, ReadState};
use super::receive_error::ReceiveError;
use super::refused_frame::RefusedFrame;
use super::send_error::{SendError, SendErrorKind};
use super::write_state::{WriteState, flush_error};
use crate::stream::anchovy_stream::AnchovyStream;

/// A [`Stream`] and [`Sink`] of frames with their descriptors. It corresponds to the `Framed` of
/// tokio-util.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (mut near, mut far) = (Framed::new(near, Lines), Framed::new(far, Lines));
///
/// let file = std::fs::File::open("/dev/null")?;
/// near.feed(("nothing".to_owned(), vec![])).await?;
/// near.send(("a file".to_owned(), vec![file.into()])).await?;
///
/// let (line, fds) = far.next().await.expect("a frame")?;
/// assert_eq!((&line[..], fds.len()), ("nothing", 0));
/// let (line, fds) = far.next().await.expect("a frame")?;
/// assert_eq!((&line[..], fds.len()), ("a file", 1));
/// # Ok(())
/// # }
/// ```
///
/// [`next`](Self::next), [`send`](Self::send), [`feed`](Self::feed), [`flush`](Self::flush) and
/// [`close`](Self::close) are methods, so futures-util is needed for its other combinators only. Each
/// method documents its cancel safety.
#[derive(Debug)]
pub struct Framed<const S: usize, C> {
    pub(super) stream: AnchovyStream<S>,
    pub(super) codec: C,
    pub(super) read: ReadState,
    pub(super) write: WriteState,
}

impl<const S: usize, C> Framed<S, C> {
    /// Creates a stream of frames of this codec, with default policies.
    ///
    /// If the queues of the stream already have descriptors, these are not given to any frame. Take
    /// them out first. If they belong to a frame, pass them to [`from_parts`](Self::from_parts). While the
    /// write queue of the stream has descriptors, nothing can be sent
    /// ([`SendErrorKind::WriteQueueNotEmpty`]).
    pub fn new(stream: AnchovyStream<S>, codec: C) -> Self {
        Framed::from_parts(FramedParts::new(stream, codec))
    }

    /// Creates a stream of frames of this codec, with the policies of its protocol.
    pub fn with_policies(
        stream: AnchovyStream<S>,
        codec: C,
        read_policy: ReadPolicy,
        write_policy: WritePolicy,
    ) -> Self {
        let parts = FramedParts::new(stream, codec);
        Framed::from_parts(FramedParts { read_policy, write_policy, ..parts })
    }

    /// Creates a framed stream from its parts, with bytes and descriptors that were read or wait to be
    /// sent.
    pub fn from_parts(parts: FramedParts<S, C>) -> Self {
        let now = parts.read_policy.fd_timeout.map(|_| Instant::now());
        let progress = &parts.read_progress;
        let inbound = Inbound::from_parts(parts.read_buffer, parts.read_sets, now, progress);
        let outbound = Outbound::from_parts(parts.write_buffer, parts.write_sets);
        Framed {
            stream: parts.stream,
            codec: parts.codec,
            read: ReadState::new(inbound, parts.read_policy, parts.read_progress),
            write: WriteState::new(outbound, parts.write_policy),
        }
    }

    /// Converts the framed stream into its parts, including all bytes and descriptors that wait.
    ///
    /// [`from_parts`](Self::from_parts) puts the parts together again. The new framed stream continues
    /// with the deadlines and counts of this one. If this stream of frames has ended, so has the new one.
    ///
    /// Bytes and descriptors that wait are no longer charged to the [account](AnchovyStream::account) of the
    /// peer. The new framed stream charges them again when it reads or sends.
    pub fn into_parts(mut self) -> FramedParts<S, C> {
        self.stream.receiver.release_waiting();
        let read_progress = self.read.progress();
        let (read_buffer, read_sets) = self.read.inbound.into_parts();
        let (write_buffer, write_sets) = self.write.outbound.into_parts();
        FramedParts {
            stream: self.stream,
            codec: self.codec,
            read_buffer,
            read_sets,
            write_buffer,
            write_sets,
            read_policy: self.read.policy,
            write_policy: self.write.policy,
            read_progress,
        }
    }

    /// Returns the stream, for limits and credentials.
    ///
    /// The queues of the stream do not contain the descriptors of frames.
    pub fn get_ref(&self) -> &AnchovyStream<S> {
        &self.stream
    }

    /// Returns the stream, for limits and credentials.
    ///
    /// Bytes that the caller reads from it are missing from the frames, and bytes that the caller writes
    /// to it come between frames.
    pub fn get_mut(&mut self) -> &mut AnchovyStream<S> {
        &mut self.stream
    }
}

impl<const S: usize, C> Framed<S, C> {
    /// Returns the policy for received frames.
    pub fn read_policy(&self) -> &ReadPolicy {
        &self.read.policy
    }

    /// Returns the bytes that have arrived and are not decoded.
    pub fn read_buffer(&self) -> &BytesMut {
        &self.read.inbound.buffer.bytes
    }

    /// Returns the number of descriptors that have arrived and wait for their frames.
    pub fn waiting_fds(&self) -> usize {
        self.read.inbound.waiting()
    }

    /// Returns the number of descriptors that were not taken for any frame and that were closed: with
    /// [`Unclaimed::Close`](super::Unclaimed::Close), and by
    /// [`ReceivedFds::discard`](super::ReceivedFds::discard).
    pub fn unclaimed_fds(&self) -> u64 {
        self.read.inbound.closed()
    }

    /// Returns the next frame if it has arrived already. Nothing is read.
    ///
    /// Returns `None` if the buffer has no complete frame. This is not the end of the stream of frames.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn next_buffered(&mut self) -> Option<Result<C::Item, ReceiveError<C::Error>>>
    where
        C: Decoder,
    {
        self.read.next_buffered(&mut self.codec, &mut self.stream.receiver)
    }

    /// Polls the stream of frames without reading from the socket.
    ///
    /// Returns a frame that has arrived already, and `None` after the end of the stream of frames.
    /// Otherwise the result is `Pending`, and the task is woken when a timeout of the
    /// [policy](ReadPolicy) expires, but not when bytes arrive.
    ///
    /// A caller that must not read more for now polls this method, so that the timeouts still apply. To
    /// read again, the caller uses [`next`](Self::next) or the [`Stream`].
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn poll_paused(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult<C>>>
    where
        C: Decoder,
    {
        self.read.poll_paused(&mut self.codec, &mut self.stream.receiver, cx)
    }

    /// Returns the codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// Replaces the codec with the one that `map` makes of it.
    pub fn map_codec<D>(self, map: impl FnOnce(C) -> D) -> Framed<S, D> {
        let Framed { stream, codec, mut read, write } = self;
        // The new codec may decode a frame that the old one could not.
        read.may_decode = true;
        Framed { stream, codec: map(codec), read, write }
    }

    /// Returns the codec.
    ///
    /// The next poll tries to decode the bytes in the buffer again, because the caller may have changed
    /// the codec.
    pub fn codec_mut(&mut self) -> &mut C {
        // The caller may change its mode, and then it may decode a frame that it could not before.
        self.read.may_decode = true;
        &mut self.codec
    }
}

impl<const S: usize, C> Framed<S, C> {
    /// Returns the policy for sent frames.
    pub fn write_policy(&self) -> &WritePolicy {
        &self.write.policy
    }

    /// Returns the number of unsent bytes of frames.
    pub fn unsent_bytes(&self) -> usize {
        self.write.outbound.len()
    }

    /// Returns the number of unsent descriptors of frames.
    pub fn unsent_fds(&self) -> usize {
        self.write.outbound.unsent_fds()
    }

    /// Removes the frame that is to be sent next and returns it with its descriptors; see
    /// [`RefusedFrame`].
    ///
    /// Returns `None` if some of its bytes have been sent, or if it has no descriptors.
    ///
    /// This is for a flush that failed because the kernel refused the descriptors of the frame
    /// ([`FdsRefusedByPeer`](super::FlushError::FdsRefusedByPeer),
    /// [`TooManyFdsInFlight`](super::FlushError::TooManyFdsInFlight)). The next flush then sends the
    /// frames after it. If the frame is not removed, the next flush tries to send it again.
    pub fn take_refused(&mut self) -> Option<RefusedFrame> {
        self.write.take_refused()
    }
}

impl<const S: usize, C: Decoder + Unpin> Stream for Framed<S, C> {
    type Item = Result<C::Item, ReceiveError<C::Error>>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.read.poll_frame(&mut this.codec, (&this.stream.socket, &mut this.stream.receiver), cx)
    }
}

impl<const S: usize, C: Encoder<I> + Unpin, I> Sink<I> for Framed<S, C> {
    type Error = SendError<I, SendErrorKind<C::Error>>;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        this.write
            .poll_ready((&this.stream.socket, &mut this.stream.sender), cx)
            .map_err(flush_error)
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, frame: I) -> Result<(), Self::Error> {
        let this = self.get_mut();
        this.write.start_send(&mut this.codec, frame, &this.stream.sender)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        this.write
            .poll_flush((&this.stream.socket, &mut this.stream.sender), cx)
            .map_err(flush_error)
    }

    /// Flushes, and shuts the write side down.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        this.write
            .poll_close((&this.stream.socket, &mut this.stream.sender), cx)
            .map_err(flush_error)
    }
}
