//! The half of a framed stream that receives.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::Stream;

use super::decoder::Decoder;
use super::policy::ReadPolicy;
use super::read_state::{FrameResult, ReadState};
use super::receive_error::ReceiveError;
use crate::split::owned::OwnedReadHalf;

/// The [`Stream`] of frames that [`Framed::into_split`](super::Framed::into_split) makes.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (mut read, _write) = Framed::new(near, Lines).into_split();
/// let reader = tokio::spawn(async move {
///     while let Some(line) = read.next().await {
///         println!("{}", line?.0);
///     }
///     io::Result::Ok(read)
/// });
///
/// let mut far = Framed::new(far, Lines);
/// far.send(("for the other task".to_owned(), vec![])).await?;
/// drop(far);
/// reader.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FramedRead<const S: usize, C> {
    pub(super) half: OwnedReadHalf<S>,
    pub(super) codec: C,
    pub(super) read: ReadState,
}

impl<const S: usize, C> FramedRead<S, C> {
    /// Returns the read half.
    pub fn get_ref(&self) -> &OwnedReadHalf<S> {
        &self.half
    }

    /// Returns the read half. Bytes that the caller reads from it are missing from the frames.
    pub fn get_mut(&mut self) -> &mut OwnedReadHalf<S> {
        &mut self.half
    }

    /// See [`Framed::read_policy`](super::Framed::read_policy).
    pub fn read_policy(&self) -> &ReadPolicy {
        &self.read.policy
    }

    /// See [`Framed::read_buffer`](super::Framed::read_buffer).
    pub fn read_buffer(&self) -> &BytesMut {
        &self.read.inbound.buffer.bytes
    }

    /// See [`Framed::waiting_fds`](super::Framed::waiting_fds).
    pub fn waiting_fds(&self) -> usize {
        self.read.inbound.waiting()
    }

    /// See [`Framed::unclaimed_fds`](super::Framed::unclaimed_fds).
    pub fn unclaimed_fds(&self) -> u64 {
        self.read.inbound.closed()
    }

    /// See [`Framed::next_buffered`](super::Framed::next_buffered).
    pub fn next_buffered(&mut self) -> Option<Result<C::Item, ReceiveError<C::Error>>>
    where
        C: Decoder,
    {
        self.read.next_buffered(&mut self.codec, &mut self.half.receiver)
    }

    /// See [`Framed::poll_paused`](super::Framed::poll_paused).
    pub fn poll_paused(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult<C>>>
    where
        C: Decoder,
    {
        self.read.poll_paused(&mut self.codec, &mut self.half.receiver, cx)
    }

    /// Returns the codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// See [`Framed::codec_mut`](super::Framed::codec_mut).
    pub fn codec_mut(&mut self) -> &mut C {
        self.read.may_decode = true;
        &mut self.codec
    }

    /// See [`Framed::map_codec`](super::Framed::map_codec).
    pub fn map_codec<D>(self, map: impl FnOnce(C) -> D) -> FramedRead<S, D> {
        let FramedRead { half, codec, mut read } = self;
        read.may_decode = true;
        FramedRead { half, codec: map(codec), read }
    }
}

impl<const S: usize, C: Decoder + Unpin> Stream for FramedRead<S, C> {
    type Item = Result<C::Item, ReceiveError<C::Error>>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let side = (&*this.half.socket, &mut this.half.receiver);
        this.read.poll_frame(&mut this.codec, side, cx)
    }
}
