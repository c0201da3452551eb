//! A copy in one direction.

use std::io;

use super::copied::Copied;
use super::copier::Copier;
use super::sides::{FdReader, FdWriter};

/// Copies bytes and descriptors from one stream to another until the source ends, and shuts the
/// write side of the destination down then. Returns how much was copied.
///
/// tokio's `copy` leaves the descriptors in the read queue of the source. Descriptors that are in that
/// queue before the first read stay there, since the caller has read their bytes already.
///
/// # What stays exact
///
/// The descriptors of a read leave with its first byte, in one `sendmsg` with the other bytes of that
/// read. A read may begin with bytes of earlier messages, so descriptors may leave earlier than they
/// came, but never later. What that means for the receiver depends on how it attributes descriptors to
/// messages:
///
/// | Attribution | Through a copy |
/// |---|---|
/// | First in, first out (Wayland) | exact |
/// | Declared count within the range of a read (D-Bus) | exact if the receiver reads as much at once as the copier wrote (at most 8 KiB); otherwise an error at worst, and never another message's descriptors |
/// | Last byte of a read | exact if the sender waits for a reply to each message with descriptors; otherwise a message that was merged with earlier ones may be mistaken for one of those |
///
/// A proxy for such a protocol frames the messages with the protocol's codec instead.
///
/// # Errors
///
/// The first error of either side; see [`AnchovyStream::recv`](crate::AnchovyStream::recv) and
/// [`AnchovyStream::send_with_fds`](crate::AnchovyStream::send_with_fds). In particular, with no byte of
/// that read written:
///
/// | Cause | Error |
/// |---|---|
/// | more descriptors in a read than the destination may send at once, and it does not [spread](crate::StreamBuilder::spread_fds) them | [`TooManyToSend`](crate::FdError::TooManyToSend) |
/// | descriptors in the write queue of the destination | [`WriteQueueNotEmpty`](crate::FdError::WriteQueueNotEmpty), or [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes) at the end |
/// | the peer of the destination refuses descriptors | [`RefusedByPeer`](crate::FdError::RefusedByPeer) |
///
/// # Cancel safety
///
/// The future can be polled again after a branch of `select!` that was not taken, if it is polled by
/// reference. Dropping it loses what was read and not yet written, and closes its descriptors; use a
/// [`Copier`] to stop a copy and go on with it.
///
/// # Examples
///
/// ```
/// use anchovy::{UnixStream, copy};
/// use tokio::io::AsyncWriteExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, mut front) = UnixStream::pair()?;
/// let (mut back, mut server) = UnixStream::pair()?;
/// client.send_with_fds(b"request", &[std::io::stdin()]).await?;
/// client.shutdown().await?;
///
/// let copied = copy(&mut front, &mut back).await?;
/// assert_eq!((copied.bytes, copied.fds), (7, 1));
/// let received = server.recv(&mut [0; 64]).await?;
/// assert_eq!((received.bytes, received.fds), (7, 1));
/// # Ok(())
/// # }
/// ```
pub async fn copy(reader: &mut impl FdReader, writer: &mut impl FdWriter) -> io::Result<Copied> {
    Copier::new().copy(reader, writer).await
}
