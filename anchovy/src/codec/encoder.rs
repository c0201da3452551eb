//! How a protocol encodes frames.

use std::os::fd::OwnedFd;

use bytes::{Bytes, BytesMut};

/// Makes bytes and descriptors of frames: the `Encoder` of tokio-util, with descriptors.
///
/// It borrows the frame, so that one that is refused goes back to its sender whole.
///
/// ```
/// use std::io;
/// use std::os::fd::OwnedFd;
///
/// use anchovy::codec::Encoder;
/// use bytes::{BufMut, BytesMut};
///
/// struct Texts;
///
/// impl Encoder<(String, Vec<OwnedFd>)> for Texts {
///     type Error = io::Error;
///
///     fn encode(&mut self, frame: &(String, Vec<OwnedFd>), bytes: &mut BytesMut) -> io::Result<()> {
///         let length = u8::try_from(frame.0.len()).map_err(io::Error::other)?;
///         bytes.put_slice(&[length, frame.1.len() as u8]);
///         bytes.put_slice(frame.0.as_bytes());
///         Ok(())
///     }
///
///     fn fds<'a>(&mut self, frame: &'a mut (String, Vec<OwnedFd>)) -> &'a mut Vec<OwnedFd> {
///         &mut frame.1
///     }
/// }
/// ```
pub trait Encoder<Item> {
    /// The codec's own error, for frames that cannot be sent
    /// ([`SendErrorKind::Codec`](super::SendErrorKind::Codec)).
    type Error;

    /// Writes the frame to the end of `bytes`. What is there already are frames that wait to be
    /// sent; an encoder that shortens the buffer makes `start_send` panic.
    ///
    /// # Errors
    ///
    /// The frame goes back to its sender; what was written of it is taken off again.
    fn encode(&mut self, frame: &Item, bytes: &mut BytesMut) -> Result<(), Self::Error>;

    /// Returns the descriptors of the frame, in order. They are counted before anything else
    /// happens, and taken once the frame is accepted.
    fn fds<'a>(&mut self, frame: &'a mut Item) -> &'a mut Vec<OwnedFd>;

    /// Returns more bytes of the frame, after those that [`encode`](Self::encode) writes, which are
    /// sent from where they are if they are many.
    fn payload(&mut self, frame: &Item) -> Bytes {
        let _ = frame;
        Bytes::new()
    }
}
