//! A copy in one direction.

use std::io;

use super::copied::Copied;
use super::copier::Copier;
use super::sides::{FdReader, FdWriter};

/// Copies bytes and descriptors from one stream to another until the source ends, and then shuts down
/// the write side of the destination. Returns how much was copied.
///
/// Use this function instead of tokio's `copy`, which copies bytes only and leaves the descriptors in
/// the read queue of the source. This function does not copy descriptors that were in that queue
/// before, because the caller has read their bytes already.
///
/// # Protocols
///
/// The descriptors that a read returned are sent with the first byte that it returned, in one `sendmsg` with
/// its other bytes. A read may begin with bytes of earlier messages. So a descriptor may be attached to an
/// earlier byte than at the source. It is attached to a later byte only if the destination
/// [spreads](crate::StreamBuilder::spread_fds) descriptors over several bytes. The effect depends on how the
/// receiver assigns descriptors to protocol messages:
///
/// | Rule of the receiver | Used by | After a copy |
/// |---|---|---|
/// | Each message gets the oldest descriptors that have not been taken. | Wayland | Each message gets its own descriptors. |
/// | A message gets as many descriptors as its header declares, from the reads that returned its bytes. | D-Bus, for example anchovy-dbus | Each message gets its own descriptors if one read of the receiver returns all that one write of the copier sent (at most 8 KiB). Otherwise the receiver may report an error, but assigns no descriptor to another message. |
/// | Each read asks for the bytes of one message only, and the descriptors of the read belong to it. | GDBus, sd-bus | If the sender sends two messages before the copier reads, the descriptors of the second may be assigned to the first. This can happen if a client calls a method with descriptors right after `Hello`. |
/// | The descriptors of a read belong to the message that has the last byte of the read. | varlink | Descriptors may be assigned to another message of the same read, unless the sender waits for the reply to each message before it sends the next one. |
///
/// Except for protocols of the first row, write a proxy with the codec of the protocol instead.
///
/// # Errors
///
/// Returns the first error of either side; see [`AnchovyStream::recv`](crate::AnchovyStream::recv) and
/// [`AnchovyStream::send_with_fds`](crate::AnchovyStream::send_with_fds). In the following cases, none
/// of the bytes that the last read returned has been written:
///
/// | Cause | Error |
/// |---|---|
/// | The read returned more descriptors than the destination may send at once, and the destination does not [spread](crate::StreamBuilder::spread_fds) them. | [`TooManyToSend`](crate::FdError::TooManyToSend) |
/// | The destination spreads the descriptors, and needs more bytes for this than the read returned. | [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes) |
/// | The write queue of the destination has descriptors. | [`WriteQueueNotEmpty`](crate::FdError::WriteQueueNotEmpty), or [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes) when the source ends |
/// | The peer of the destination refuses descriptors. | [`RefusedByPeer`](crate::FdError::RefusedByPeer) |
///
/// # Cancel safety
///
/// This function is not cancel safe. If the future is dropped, bytes that were read and not yet
/// written are lost, and their descriptors are closed. To stop a copy and continue it later, use a
/// [`Copier`]. If another branch of `select!` completes first, the future can be polled again, provided
/// that it was passed by reference (`&mut`).
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
