//! What a protocol brings: how items become bytes and descriptors, and come back.

use std::os::fd::OwnedFd;

use bytes::{Bytes, BytesMut};

use super::attribution::ReceivedFds;
use super::receive_error::ReceiveError;

/// Makes items of bytes and descriptors: the `Decoder` of tokio-util, with descriptors.
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
///         let mut item = bytes.split_to(length);
///         item.advance(2);
///         Ok(Some((item.freeze(), fds)))
///     }
/// }
/// ```
pub trait Decoder {
    /// What is decoded.
    type Item;
    /// The codec's own error, for bytes that are no frame ([`ReceiveError::Codec`]).
    type Error;

    /// Takes one item off the start of `bytes`, with its descriptors from `fds`, if it is there
    /// whole; otherwise returns `None` and is called again when more has arrived.
    ///
    /// Bytes that it takes without returning an item belong to the next one.
    ///
    /// # Errors
    ///
    /// Any error ends the stream of items; all that waits is closed.
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<Self::Error>>;

    /// As [`decode`](Self::decode), when nothing more will arrive.
    ///
    /// A decoder that takes bytes without returning an item, and so knows of an item that nobody
    /// else sees, has to say here that it is not whole.
    ///
    /// # Errors
    ///
    /// By default, [`ReceiveError::ClosedInsideFrame`] if there are bytes and they are no item.
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

/// Makes bytes and descriptors of items: the `Encoder` of tokio-util, with descriptors.
///
/// It borrows the item, so that one that is refused goes back to its sender whole.
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
///     fn encode(&mut self, item: &(String, Vec<OwnedFd>), bytes: &mut BytesMut) -> io::Result<()> {
///         let length = u8::try_from(item.0.len()).map_err(io::Error::other)?;
///         bytes.put_slice(&[length, item.1.len() as u8]);
///         bytes.put_slice(item.0.as_bytes());
///         Ok(())
///     }
///
///     fn fds<'a>(&mut self, item: &'a mut (String, Vec<OwnedFd>)) -> &'a mut Vec<OwnedFd> {
///         &mut item.1
///     }
/// }
/// ```
pub trait Encoder<Item> {
    /// The codec's own error, for frames that cannot be sent
    /// ([`SendErrorKind::Codec`](super::SendErrorKind::Codec)).
    type Error;

    /// Writes the item to the end of `bytes`. What is there already are items that wait to be sent;
    /// an encoder that shortens the buffer makes `start_send` panic.
    ///
    /// # Errors
    ///
    /// The item goes back to its sender; what was written of it is taken off again.
    fn encode(&mut self, item: &Item, bytes: &mut BytesMut) -> Result<(), Self::Error>;

    /// The descriptors of the item, in order. They are counted before anything else happens, and
    /// taken once the item is accepted.
    fn fds<'a>(&mut self, item: &'a mut Item) -> &'a mut Vec<OwnedFd>;

    /// More bytes of the item, behind those that [`encode`](Self::encode) writes, which are sent
    /// from where they are if they are many.
    fn payload(&mut self, item: &Item) -> Bytes {
        let _ = item;
        Bytes::new()
    }
}
