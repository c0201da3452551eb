//! The async methods of framed streams and of their halves.

use std::future::poll_fn;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::flush_error::FlushError;
use super::framed::Framed;
use super::framed_read::FramedRead;
use super::framed_write::FramedWrite;
use super::read_state::FrameResult;
use super::send_error::{SendError, SendErrorKind};

impl<const S: usize, C> Framed<S, C> {
    /// Receives the next frame, or returns `None` when the stream of frames has ended.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`](super::ReceiveError), which ends the stream of frames.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: bytes and descriptors that have arrived wait for the next call.
    pub async fn next(&mut self) -> Option<FrameResult<C>>
    where
        C: Decoder,
    {
        let (codec, socket) = (&mut self.codec, &self.stream.socket);
        poll_fn(|cx| self.read.poll_frame(codec, (socket, &mut self.stream.receiver), cx)).await
    }

    /// Sends a frame, and everything that was [fed](Self::feed) before it.
    ///
    /// This is the only method that accepts a frame that [borrows descriptors](Encoder::borrowed_fds).
    /// Everything that was fed before it is sent first. Then its descriptors are sent in one `sendmsg`
    /// with its first bytes, without being duplicated and without an allocation. The rest of its bytes
    /// follows.
    ///
    /// # Errors
    ///
    /// If [`unsent`](SendError::unsent) is `Some`, the frame was not accepted, and nothing of it was
    /// sent: it was rejected, the kernel refused the descriptors that it borrows, or a frame that was
    /// fed before could not be sent.
    ///
    /// If [`unsent`](SendError::unsent) is `None`, the frame was accepted, and the flush failed. What
    /// was not sent stays in the buffer. Descriptors that the frame borrows have been sent.
    ///
    /// If the kernel refused the descriptors of a frame in the buffer,
    /// [`take_refused`](Self::take_refused) removes that frame.
    ///
    /// # Panics
    ///
    /// Panics if [`Encoder::encode`] makes the buffer shorter.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, there are two cases. If the frame was not accepted,
    /// nothing of it is sent, and it is dropped. If it was accepted, what was not sent is in the buffer,
    /// and the next flush sends it.
    ///
    /// - A frame without borrowed descriptors is accepted as soon as the buffer has room.
    /// - A frame with borrowed descriptors is accepted when the `sendmsg` with its descriptors is made.
    ///   The rest of its bytes is then in the buffer.
    ///
    /// What was fed before it is never lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> io::Result<()> {
    /// use anchovy::UnixStream;
    /// use anchovy::codec::Framed;
    ///
    /// let (near, far) = UnixStream::pair()?;
    /// let (mut near, mut far) = (Framed::new(near, Lines), Framed::new(far, Lines));
    /// let null = std::fs::File::open("/dev/null")?;
    /// near.send(("a file".to_owned(), vec![null.into()])).await?;
    /// let (line, fds) = far.next().await.expect("a frame")?;
    /// assert_eq!((&line[..], fds.len()), ("a file", 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<I>(&mut self, frame: I) -> Result<(), SendError<I, SendErrorKind<C::Error>>>
    where
        C: Encoder<I>,
    {
        let side = (&self.stream.socket, &mut self.stream.sender);
        self.write.send(&mut self.codec, frame, side).await
    }

    /// Puts a frame into the buffer, which a later [`flush`](Self::flush), [`send`](Self::send) or
    /// [`close`](Self::close) sends.
    ///
    /// While the buffer is full
    /// ([`WritePolicy::max_buffered_bytes`](super::WritePolicy::max_buffered_bytes),
    /// [`max_buffered_fds`](super::WritePolicy::max_buffered_fds)), no further frame is accepted, and
    /// this method sends the frames in the buffer.
    ///
    /// # Errors
    ///
    /// The frame is always returned in [`unsent`](SendError::unsent): it was rejected, or earlier frames in
    /// the buffer had to be sent first and this failed. A frame that borrows descriptors is rejected with
    /// [`SendErrorKind::BorrowedFds`].
    ///
    /// # Panics
    ///
    /// Panics if [`Encoder::encode`] makes the buffer shorter.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the frame is dropped and nothing of it is sent.
    /// What was fed before it is not lost.
    // Not an async method: it would wrap the future of `WriteState`, and move the frame once more.
    #[inline]
    pub fn feed<I>(
        &mut self,
        frame: I,
    ) -> impl Future<Output = Result<(), SendError<I, SendErrorKind<C::Error>>>>
    where
        C: Encoder<I>,
    {
        let side = (&self.stream.socket, &mut self.stream.sender);
        self.write.feed(&mut self.codec, frame, side)
    }

    /// Sends all frames that wait in the buffer.
    ///
    /// # Errors
    ///
    /// [`FlushError`]. What was not sent stays in the buffer.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: what was not sent stays in the buffer.
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        self.write.flush((&self.stream.socket, &mut self.stream.sender)).await
    }

    /// Sends all frames that wait in the buffer, and shuts the write side down.
    ///
    /// The peer reads the end of the stream after these frames. Frames can still be received.
    ///
    /// # Errors
    ///
    /// [`FlushError`]. What was not sent stays in the buffer. If descriptors are in the write queue of
    /// the stream itself, the error is [`FlushError::WriteQueueNotEmpty`] if frames wait in the buffer, and
    /// [`FlushError::FdsWithoutBytes`] otherwise.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: what was not sent stays in the buffer.
    pub async fn close(&mut self) -> Result<(), FlushError> {
        self.write.close((&self.stream.socket, &mut self.stream.sender)).await
    }
}

impl<const S: usize, C> FramedRead<S, C> {
    /// Receives the next frame; see [`Framed::next`].
    ///
    /// # Errors
    ///
    /// As [`Framed::next`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<FrameResult<C>>
    where
        C: Decoder,
    {
        let (codec, socket) = (&mut self.codec, &*self.half.socket);
        poll_fn(|cx| self.read.poll_frame(codec, (socket, &mut self.half.receiver), cx)).await
    }
}

impl<const S: usize, C> FramedWrite<S, C> {
    /// Sends a frame, and everything that was fed before it; see [`Framed::send`].
    ///
    /// # Errors
    ///
    /// As [`Framed::send`].
    ///
    /// # Panics
    ///
    /// As [`Framed::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Framed::send`].
    pub async fn send<I>(&mut self, frame: I) -> Result<(), SendError<I, SendErrorKind<C::Error>>>
    where
        C: Encoder<I>,
    {
        let side = (&*self.half.socket, &mut self.half.sender);
        self.write.send(&mut self.codec, frame, side).await
    }

    /// Puts a frame into the buffer; see [`Framed::feed`].
    ///
    /// # Errors
    ///
    /// As [`Framed::feed`].
    ///
    /// # Panics
    ///
    /// As [`Framed::feed`].
    ///
    /// # Cancel safety
    ///
    /// As [`Framed::feed`].
    #[inline]
    pub fn feed<I>(
        &mut self,
        frame: I,
    ) -> impl Future<Output = Result<(), SendError<I, SendErrorKind<C::Error>>>>
    where
        C: Encoder<I>,
    {
        let side = (&*self.half.socket, &mut self.half.sender);
        self.write.feed(&mut self.codec, frame, side)
    }

    /// Sends all frames that wait in the buffer; see [`Framed::flush`].
    ///
    /// # Errors
    ///
    /// As [`Framed::flush`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        self.write.flush((&*self.half.socket, &mut self.half.sender)).await
    }

    /// Sends all frames that wait in the buffer, and shuts the write side down; see
    /// [`Framed::close`].
    ///
    /// # Errors
    ///
    /// As [`Framed::close`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn close(&mut self) -> Result<(), FlushError> {
        self.write.close((&*self.half.socket, &mut self.half.sender)).await
    }
}
