//! The encoder of a protocol.

use std::os::fd::{BorrowedFd, OwnedFd};

use bytes::{Bytes, BytesMut};

/// An encoder of frames with descriptors. It corresponds to the `Encoder` of tokio-util.
///
/// A frame can have descriptors in two ways:
///
/// | the frame | implement | send it with |
/// |---|---|---|
/// | owns them, and they are closed here once they have been sent | [`fds`](Self::fds) | `send`, `feed` or the `Sink` |
/// | borrows them, and they stay open here | [`borrowed_fds`](Self::borrowed_fds) | [`Framed::send`](super::Framed::send) |
///
/// A codec whose frames have no descriptors implements neither.
///
/// The encoder borrows the frame, so the error of a rejected frame can contain it unchanged
/// ([`SendError::unsent`](super::SendError::unsent)).
///
/// # Examples
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
///     fn fds<'a>(
///         &mut self,
///         frame: &'a mut (String, Vec<OwnedFd>),
///     ) -> Option<&'a mut Vec<OwnedFd>> {
///         Some(&mut frame.1)
///     }
/// }
///
/// /// A text without descriptors needs no list of them.
/// impl Encoder<&str> for Texts {
///     type Error = io::Error;
///
///     fn encode(&mut self, text: &&str, bytes: &mut BytesMut) -> io::Result<()> {
///         self.encode(&((*text).to_owned(), Vec::new()), bytes)
///     }
/// }
/// ```
pub trait Encoder<Item> {
    /// The error for frames that cannot be sent
    /// ([`SendErrorKind::Codec`](super::SendErrorKind::Codec)).
    type Error;

    /// Writes the frame to the end of `bytes`.
    ///
    /// The buffer may already hold frames that wait to be sent.
    ///
    /// # Errors
    ///
    /// An error rejects the frame. The bytes that were written are removed from the buffer, and the
    /// frame returns to the caller.
    ///
    /// # Panics
    ///
    /// Sending panics if this method makes the buffer shorter.
    fn encode(&mut self, frame: &Item, bytes: &mut BytesMut) -> Result<(), Self::Error>;

    /// Returns the descriptors that the frame owns, in order, or `None` if it has no list of them.
    ///
    /// They are counted before the frame is encoded, and moved out of the list when the frame is accepted.
    /// The default is `None`.
    #[inline]
    fn fds<'a>(&mut self, frame: &'a mut Item) -> Option<&'a mut Vec<OwnedFd>> {
        let _ = frame;
        None
    }

    /// Returns the descriptors that the frame borrows, in order.
    ///
    /// They are sent without being duplicated, in one `sendmsg` with the first bytes of the frame.
    /// Because they cannot be kept until a later flush, only the `send` method of
    /// [`Framed`](super::Framed::send) and [`FramedWrite`](super::FramedWrite::send) accepts such a
    /// frame; `feed` and the `Sink` reject it
    /// ([`SendErrorKind::BorrowedFds`](super::SendErrorKind::BorrowedFds)). The default is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::fs::File;
    /// use std::iter;
    /// use std::os::fd::{AsFd, BorrowedFd};
    /// use std::sync::Arc;
    ///
    /// use anchovy::codec::{Encoder, Framed};
    /// use anchovy::{DBUS_SCM_RIGHTS, UnixStream};
    /// use bytes::{BufMut, BytesMut};
    ///
    /// /// A file that many frames share, and a socket.
    /// struct Shared<'a> {
    ///     file: Arc<File>,
    ///     socket: &'a std::net::TcpListener,
    /// }
    ///
    /// struct Codec;
    ///
    /// impl Encoder<Shared<'_>> for Codec {
    ///     type Error = Infallible;
    ///
    ///     fn encode(&mut self, _: &Shared<'_>, bytes: &mut BytesMut) -> Result<(), Infallible> {
    ///         bytes.put_slice(b"a file and a socket\n");
    ///         Ok(())
    ///     }
    ///
    ///     fn borrowed_fds<'a>(
    ///         &mut self,
    ///         frame: &'a Shared<'_>,
    ///     ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
    ///         [frame.file.as_fd(), frame.socket.as_fd()].into_iter()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (near, mut far) = UnixStream::pair()?;
    /// let mut near = Framed::new(near, Codec);
    /// let file = Arc::new(File::open("/dev/null")?);
    /// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// for _ in 0..2 {
    ///     let sent = near.send(Shared { file: file.clone(), socket: &socket }).await;
    ///     sent.expect("it is sent");
    ///     assert_eq!(far.recv(&mut [0; 64]).await?.fds, 2);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    fn borrowed_fds<'a>(&mut self, frame: &'a Item) -> impl Iterator<Item = BorrowedFd<'a>> + Clone
    where
        Self: Sized,
    {
        let _ = frame;
        std::iter::empty()
    }

    /// Returns more bytes of the frame, after those that [`encode`](Self::encode) writes.
    ///
    /// A payload of 4 KiB or more is sent without a copy; a shorter one is copied into the buffer. The
    /// default is empty.
    fn payload(&mut self, frame: &Item) -> Bytes {
        let _ = frame;
        Bytes::new()
    }
}
