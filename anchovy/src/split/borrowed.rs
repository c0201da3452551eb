//! Borrowed halves of a stream.

use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;
use crate::stream::anchovy_stream::AnchovyStream;

/// The borrowed read half of a stream, which [`AnchovyStream::split`] returns.
pub struct ReadHalf<'a, const S: usize> {
    pub(crate) socket: &'a Socket,
    pub(crate) receiver: &'a mut Receiver,
}

/// The borrowed write half of a stream, which [`AnchovyStream::split`] returns.
///
/// Dropping it does not shut down the write side.
pub struct WriteHalf<'a, const S: usize> {
    pub(crate) socket: &'a Socket,
    pub(crate) sender: &'a mut Sender,
}

impl<const S: usize> AnchovyStream<S> {
    /// Splits the stream into two borrowed halves, which can read and write concurrently in one
    /// task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// let (mut read, mut write) = stream.split();
    /// let mut buf = [0; 4];
    /// tokio::try_join!(write.write_all(b"ping"), peer.write_all(b"pong"), read.read_exact(&mut buf))?;
    /// assert_eq!(&buf, b"pong");
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
        let AnchovyStream { socket, receiver, sender } = self;
        (ReadHalf { socket, receiver }, WriteHalf { socket, sender })
    }
}
