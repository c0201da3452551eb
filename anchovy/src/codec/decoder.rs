//! How a protocol decodes frames.

use bytes::BytesMut;

use super::receive_error::ReceiveError;
use super::received_fds::ReceivedFds;

/// Makes frames of bytes and descriptors: the `Decoder` of tokio-util, with descriptors.
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
///         let fds = fds.take(length, count.into())?.collect();
///         let mut frame = bytes.split_to(length);
///         frame.advance(2);
///         Ok(Some((frame.freeze(), fds)))
///     }
/// }
/// ```
pub trait Decoder {
    /// What is decoded.
    type Item;
    /// The codec's own error, for bytes that are no frame ([`ReceiveError::Codec`]).
    type Error;

    /// Takes one frame off the start of `bytes`, with its descriptors from `fds`, if it is there
    /// whole; otherwise returns `None` and is called again when more has arrived.
    ///
    /// Bytes that it takes without returning a frame belong to the next one.
    ///
    /// # Errors
    ///
    /// Any error ends the stream of frames; all that waits is closed.
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<Self::Error>>;

    /// As [`decode`](Self::decode), when nothing more will arrive.
    ///
    /// A decoder that takes bytes without returning a frame, and so knows of a frame that nobody
    /// else sees, has to say here that it is not whole.
    ///
    /// # Errors
    ///
    /// By default, [`ReceiveError::ClosedInsideFrame`] if there are bytes and they are no frame.
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
