//! A copy in both directions.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::copied::Copied;
use super::copier::Copier;
use crate::stream::anchovy_stream::AnchovyStream;

/// Copies bytes and descriptors between two streams, in both directions, until both streams have ended.
/// Returns how much was copied from `a` to `b`, and from `b` to `a`.
///
/// If one stream ends, the write side of the other is shut down, and the other direction continues. If
/// one peer does not read, only the direction to it waits.
///
/// In some protocols, descriptors may be assigned to the wrong message after a copy; see
/// [`copy`](crate::copy()).
///
/// # Errors
///
/// Returns the first error of either direction; see [`copy`](crate::copy()). Both directions end.
///
/// # Cancel safety
///
/// This function is not cancel safe, for the same reason as [`copy`](crate::copy()). To stop a copy and
/// continue it later, split both streams and use one [`Copier`] for each direction.
///
/// # Examples
///
/// A proxy that connects each client to a server:
///
/// ```no_run
/// use anchovy::{UnixListener, UnixStream, copy_bidirectional};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = UnixListener::bind("/run/proxy.sock")?;
/// loop {
///     let (mut client, _) = listener.accept().await?;
///     tokio::spawn(async move {
///         let mut server = UnixStream::connect("/run/server.sock").await?;
///         let (up, down) = copy_bidirectional(&mut client, &mut server).await?;
///         println!("{} descriptors up, {} down", up.fds, down.fds);
///         Ok::<_, std::io::Error>(())
///     });
/// }
/// # }
/// ```
pub async fn copy_bidirectional<const A: usize, const B: usize>(
    a: &mut AnchovyStream<A>,
    b: &mut AnchovyStream<B>,
) -> io::Result<(Copied, Copied)> {
    let (mut a_read, mut a_write) = a.split();
    let (mut b_read, mut b_write) = b.split();
    let (mut there, mut back) = (Copier::new(), Copier::new());
    poll_fn(|cx| {
        let there = there.poll_copy(&mut a_read, &mut b_write, cx)?;
        let back = back.poll_copy(&mut b_read, &mut a_write, cx)?;
        match (there, back) {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}
