//! Codecs that were written for tokio-util, with descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::BytesMut;
use tokio_util::codec;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::framed::Framed;
use super::inbound::FrameOutcome;
use super::policy::{Attribution, Placement, ReadPolicy, WritePolicy};
use super::receive_error::ReceiveError;
use super::received_fds::ReceivedFds;
use crate::stream::anchovy_stream::AnchovyStream;

/// A codec that was written for tokio-util, whose items have descriptors.
///
/// The codec knows nothing of descriptors, so it cannot determine how many an item has. The frames are:
///
/// | Frame | Meaning |
/// |---|---|
/// | received `(C::Item, Vec<OwnedFd>)` | the item, and the descriptors that arrived with it ([`Attribution::LastByte`]) |
/// | sent `(T, Vec<OwnedFd>)` | an item, and descriptors that are closed here once they have been sent |
/// | sent `(T, &[impl AsFd])` | an item, and descriptors that stay open here; only [`Framed::send`] accepts it |
///
/// An item with descriptors has a `sendmsg` to itself ([`Placement::Alone`]). One `sendmsg` can send several
/// items without descriptors. Received descriptors are attributed correctly if the peer, too, sends each item
/// with descriptors in a `sendmsg` of its own. For other peers, see [`Attribution::LastByte`].
///
/// The encoder takes a clone of the item, because the error of a rejected frame contains the item
/// ([`SendError::unsent`](super::SendError::unsent)). Clones of `&str`, [`Bytes`](bytes::Bytes) and
/// references are cheap.
///
/// # Errors
///
/// An error of the codec ends the stream of frames ([`ReceiveError::Codec`]), or rejects the item that
/// is sent ([`SendErrorKind::Codec`](super::SendErrorKind::Codec)). A truncated descriptor set ends the
/// stream of frames even with [`ReadPolicy::survive_truncation`], because the item of such a codec cannot
/// say that its descriptors are missing.
///
/// [`ReadPolicy::max_frame_bytes`] limits an item in addition to the limit of the codec. The codec may
/// reserve memory for an item before its bytes arrive: [`LengthDelimitedCodec`] does so up to its
/// `max_frame_length`.
///
/// [`LengthDelimitedCodec`]: tokio_util::codec::LengthDelimitedCodec
///
/// # Examples
///
/// ```
/// use std::fs::File;
///
/// use anchovy::UnixStream;
/// use anchovy::codec::WithFds;
/// use bytes::Bytes;
/// use tokio_util::codec::LengthDelimitedCodec;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let (near, far) = UnixStream::pair()?;
/// let mut near = WithFds::framed(near, LengthDelimitedCodec::new());
/// let mut far = WithFds::framed(far, LengthDelimitedCodec::new());
///
/// let file = File::open("/dev/null")?;
/// near.feed((Bytes::from("nothing"), vec![])).await?;
/// near.send((Bytes::from("a file"), vec![file.into()])).await?;
///
/// for (text, count) in [("nothing", 0), ("a file", 1)] {
///     let (item, fds) = far.next().await.expect("an item")?;
///     assert_eq!((&item[..], fds.len()), (text.as_bytes(), count));
/// }
/// # Ok(())
/// # }
/// ```
///
/// Lines of text, with descriptors that stay open:
///
/// ```
/// use std::fs::File;
///
/// use anchovy::UnixStream;
/// use anchovy::codec::WithFds;
/// use tokio_util::codec::LinesCodec;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let (near, far) = UnixStream::pair()?;
/// let mut near = WithFds::framed(near, LinesCodec::new_with_max_length(1024));
/// let mut far = WithFds::framed(far, LinesCodec::new_with_max_length(1024));
///
/// let files = [File::open("/dev/null")?, File::open("/dev/zero")?];
/// for line in ["two files", "the same two files"] {
///     near.send((line, &files[..])).await.map_err(|error| error.kind)?;
///     let (received, fds) = far.next().await.expect("a line")?;
///     assert_eq!((&received[..], fds.len()), (line, 2));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct WithFds<C> {
    codec: C,
}

impl<C> WithFds<C> {
    /// Creates a stream of frames of this codec, each with its descriptors.
    ///
    /// The policies are [`ReadPolicy::default`] with [`Attribution::LastByte`], and
    /// [`WritePolicy::default`], which has [`Placement::Alone`].
    pub fn framed<const S: usize>(stream: AnchovyStream<S>, codec: C) -> Framed<S, WithFds<C>> {
        WithFds::framed_with(stream, codec, ReadPolicy::default(), WritePolicy::default())
    }

    /// Creates a stream of frames of this codec, each with its descriptors, with the limits of these
    /// policies.
    ///
    /// Their attribution and placement are replaced by [`Attribution::LastByte`] and
    /// [`Placement::Alone`].
    pub fn framed_with<const S: usize>(
        stream: AnchovyStream<S>,
        codec: C,
        read_policy: ReadPolicy,
        write_policy: WritePolicy,
    ) -> Framed<S, WithFds<C>> {
        let read_policy = ReadPolicy { attribution: Attribution::LastByte, ..read_policy };
        let write_policy = WritePolicy { placement: Placement::Alone, ..write_policy };
        Framed::with_policies(stream, WithFds::new(codec), read_policy, write_policy)
    }

    /// Adds descriptors to a codec, for [`Framed::from_parts`].
    ///
    /// The caller sets [`Attribution::LastByte`] and [`Placement::Alone`] in the policies of the parts,
    /// as [`WithFds::framed`] does. With another placement, a receiver may attribute descriptors to a
    /// wrong item.
    ///
    /// `WithFds` itself always takes descriptors as [`Attribution::LastByte`] does. If the policies have
    /// another attribution, items get the same descriptors on Linux, but may get wrong ones on kernels that
    /// are derived from BSD. With [`Attribution::Fifo`], two connections of one
    /// [account](AnchovyStream::set_account) can block each other on every system: each has an incomplete
    /// item, and waits for room that the descriptors of the other connection use.
    pub fn new(codec: C) -> WithFds<C> {
        WithFds { codec }
    }

    /// Returns the codec.
    pub fn get_ref(&self) -> &C {
        &self.codec
    }

    /// Returns the codec.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Returns the codec.
    pub fn into_inner(self) -> C {
        self.codec
    }
}

impl<C: codec::Decoder> WithFds<C> {
    fn decode_with(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
        decode: impl FnOnce(&mut C, &mut BytesMut) -> Result<Option<C::Item>, C::Error>,
    ) -> FrameOutcome<WithFds<C>> {
        // Items declare no number, so no other attribution fits.
        fds.attribution = Attribution::LastByte;
        let before = bytes.len();
        let decoded = decode(&mut self.codec, bytes).map_err(ReceiveError::Codec)?;
        let Some(item) = decoded else { return Ok(None) };
        // The codec removes the bytes of the item, and reports its length in no other way.
        let length = before.saturating_sub(bytes.len());
        let fds = fds.take_all(length)?.into_vec();
        Ok(Some((item, fds)))
    }
}

impl<C: codec::Decoder> Decoder for WithFds<C> {
    type Item = (C::Item, Vec<OwnedFd>);
    type Error = C::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<C::Error>> {
        self.decode_with(bytes, fds, C::decode)
    }

    fn decode_eof(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<C::Error>> {
        self.decode_with(bytes, fds, C::decode_eof)
    }
}

impl<C: codec::Encoder<T>, T: Clone> Encoder<(T, Vec<OwnedFd>)> for WithFds<C> {
    type Error = C::Error;

    fn encode(
        &mut self,
        (item, _): &(T, Vec<OwnedFd>),
        bytes: &mut BytesMut,
    ) -> Result<(), C::Error> {
        self.codec.encode(item.clone(), bytes)
    }

    #[inline]
    fn fds<'a>(&mut self, frame: &'a mut (T, Vec<OwnedFd>)) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut frame.1)
    }
}

impl<C: codec::Encoder<T>, T: Clone, F: AsFd> Encoder<(T, &[F])> for WithFds<C> {
    type Error = C::Error;

    fn encode(&mut self, (item, _): &(T, &[F]), bytes: &mut BytesMut) -> Result<(), C::Error> {
        self.codec.encode(item.clone(), bytes)
    }

    #[inline]
    fn borrowed_fds<'a>(
        &mut self,
        frame: &'a (T, &[F]),
    ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
        frame.1.iter().map(AsFd::as_fd)
    }
}
