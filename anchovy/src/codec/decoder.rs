//! The decoder of a protocol.

use bytes::BytesMut;

use super::receive_error::ReceiveError;
use super::received_fds::ReceivedFds;

/// A decoder of frames with descriptors. It corresponds to the `Decoder` of tokio-util.
///
/// # Examples
///
/// ```
/// use std::io;
/// use std::os::fd::OwnedFd;
///
/// use anchovy::codec::{Decoder, ReceiveError, ReceivedFds};
/// use bytes::{Buf, Bytes, BytesMut};
///
/// /// A byte of length, a byte that says how many descriptors, and a text.
/// struct Texts;
///
/// impl Decoder for Texts {
///     type Item = (Bytes, Vec<OwnedFd>);
///     type Error = io::Error;
///
///     fn decode(
///         &mut self,
///         bytes: &mut BytesMut,
///         fds: &mut ReceivedFds<'_>,
///     ) -> Result<Option<Self::Item>, ReceiveError<io::Error>> {
///         let &[length, count, ..] = &bytes[..] else { return Ok(None) };
///         let length = 2 + usize::from(length);
///         if bytes.len() < length {
///             return Ok(None);
///         }
///         let fds = fds.take(length, count.into())?.into_vec();
///         let mut frame = bytes.split_to(length);
///         frame.advance(2);
///         Ok(Some((frame.freeze(), fds)))
///     }
/// }
/// ```
///
/// # Frames that do not parse
///
/// An error of the decoder ends the stream of frames. To continue after a frame that does not parse, for
/// example to answer it, use a decoder whose item is a `Result`. The decoder closes the descriptors of
/// such a frame with [`ReceivedFds::discard`], removes its bytes, and returns the error as the item. This
/// works only if the decoder can find the end of the frame, and if the sender begins a new `sendmsg` with
/// each frame that has descriptors; see [`ReceivedFds::discard`].
///
/// ```
/// use std::convert::Infallible;
/// use std::os::fd::OwnedFd;
///
/// use anchovy::UnixStream;
/// use anchovy::codec::{Decoder, Framed, ReceiveError, ReceivedFds};
/// use bytes::BytesMut;
///
/// /// Lines: a number of descriptors, a space, and a text.
/// struct Lines;
///
/// #[derive(Debug)]
/// struct BadLine {
///     text: String,
///     closed_fds: usize,
/// }
///
/// impl Decoder for Lines {
///     type Item = Result<(String, Vec<OwnedFd>), BadLine>;
///     type Error = Infallible;
///
///     fn decode(
///         &mut self,
///         bytes: &mut BytesMut,
///         fds: &mut ReceivedFds<'_>,
///     ) -> Result<Option<Self::Item>, ReceiveError<Infallible>> {
///         let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
///         let length = end + 1;
///         let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
///         let count = line.split_once(' ').and_then(|(count, _)| count.parse().ok());
///         let item = match count {
///             Some(count) => Ok((line, fds.take(length, count)?.into_vec())),
///             // Before the bytes are removed.
///             None => Err(BadLine { text: line, closed_fds: fds.discard(length) }),
///         };
///         drop(bytes.split_to(length));
///         Ok(Some(item))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// let mut near = Framed::new(near, Lines);
/// let file = std::fs::File::open("/dev/null")?;
/// far.send_with_fds(b"two files\n", &[&file, &file]).await?;
/// far.send_with_fds(b"1 file\n", &[&file]).await?;
///
/// let bad = near.next().await.expect("an item")?.unwrap_err();
/// assert_eq!((&bad.text[..], bad.closed_fds), ("two files", 2));
/// let (_, fds) = near.next().await.expect("an item")?.expect("a line");
/// assert_eq!(fds.len(), 1);
/// # Ok(())
/// # }
/// ```
pub trait Decoder {
    /// The type of decoded frames.
    type Item;
    /// The error for bytes that are no frame ([`ReceiveError::Codec`]).
    type Error;

    /// Removes one frame from the start of `bytes`, with its descriptors from `fds`, and returns it.
    ///
    /// Returns `None` if the frame is not complete. The method is called again when more has arrived.
    ///
    /// If bytes are removed and no frame is returned, they count as the start of the next frame.
    ///
    /// # Errors
    ///
    /// Any error ends the stream of frames. All descriptors that wait are closed.
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<Self::Error>>;

    /// Removes one frame as [`decode`](Self::decode) does, after the peer has ended the stream.
    ///
    /// The method is called until it returns `None` or an error. The default implementation calls `decode`,
    /// and recognizes an incomplete frame only by the bytes that are left in `bytes`. If `decode` removes
    /// bytes before their frame is complete, implement this method, and return an error if the last frame is
    /// incomplete.
    ///
    /// # Errors
    ///
    /// By default, [`ReceiveError::ClosedInsideFrame`] if `bytes` is not empty and has no complete frame.
    fn decode_eof(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<Self::Error>> {
        match self.decode(bytes, fds)? {
            None if !bytes.is_empty() => {
                Err(ReceiveError::ClosedInsideFrame { bytes: bytes.len() })
            }
            outcome => Ok(outcome),
        }
    }
}
