//! Owned halves of a stream.

use std::sync::Arc;

use crate::error::reunite_error::ReuniteError;
use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;
use crate::stream::anchovy_stream::AnchovyStream;

/// The owned read half of a stream, which [`AnchovyStream::into_split`] returns.
///
/// Dropping it closes the descriptors in its read queue. Descriptors that arrive later stay in the
/// kernel, which closes them with the socket.
pub struct OwnedReadHalf<const S: usize> {
    pub(crate) socket: Arc<Socket>,
    pub(crate) receiver: Receiver,
}

/// The owned write half of a stream, which [`AnchovyStream::into_split`] returns.
///
/// Dropping it closes the descriptors in its write queue and shuts down the write side, so the
/// peer reads the end of the stream after the last byte. [`forget`](Self::forget) drops the half without
/// the shutdown.
pub struct OwnedWriteHalf<const S: usize> {
    pub(crate) socket: Arc<Socket>,
    pub(crate) sender: Sender,
    shutdown_on_drop: bool,
}

impl<const S: usize> AnchovyStream<S> {
    /// Splits the stream into two owned halves, which can be moved to different tasks.
    ///
    /// Each half has its own queue. [`OwnedReadHalf::reunite`] joins them again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// let (mut read, mut write) = stream.into_split();
    /// let writer = tokio::spawn(async move {
    ///     write.send_with_fds(b"ping", &[std::io::stdin()]).await
    /// }); // Dropping the write half shuts down the write side.
    ///
    /// let mut all = Vec::new();
    /// peer.read_to_end(&mut all).await?;
    /// assert_eq!((&all[..], peer.read_queue().len()), (&b"ping"[..], 1));
    /// peer.write_all(b"pong").await?;
    /// read.read_exact(&mut [0; 4]).await?;
    /// # writer.await?.map(drop)
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
        let AnchovyStream { socket, receiver, sender } = self;
        let socket = Arc::new(socket);
        let read = OwnedReadHalf { socket: Arc::clone(&socket), receiver };
        (read, OwnedWriteHalf { socket, sender, shutdown_on_drop: true })
    }
}

impl<const S: usize> OwnedReadHalf<S> {
    /// Returns whether both halves belong to the same stream.
    pub fn is_pair_of(&self, write: &OwnedWriteHalf<S>) -> bool {
        Arc::ptr_eq(&self.socket, &write.socket)
    }

    /// Joins the two halves of one stream, including both queues.
    ///
    /// # Errors
    ///
    /// Returns a [`ReuniteError`], which contains both halves, if they belong to different
    /// streams.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (stream, peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// let (read, write) = stream.into_split();
    /// let (_, others) = peer.into_split();
    ///
    /// let anchovy::ReuniteError(read, _others) = read.reunite(others).unwrap_err();
    /// let stream = read.reunite(write).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite(
        self,
        write: OwnedWriteHalf<S>,
    ) -> Result<AnchovyStream<S>, ReuniteError<OwnedReadHalf<S>, OwnedWriteHalf<S>>> {
        reunite(self, write)
    }
}

impl<const S: usize> OwnedWriteHalf<S> {
    /// Joins the two halves of one stream; see [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// Returns a [`ReuniteError`], which contains both halves, if they belong to different
    /// streams.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite(
        self,
        read: OwnedReadHalf<S>,
    ) -> Result<AnchovyStream<S>, ReuniteError<OwnedReadHalf<S>, OwnedWriteHalf<S>>> {
        reunite(read, self)
    }

    /// Drops the half without shutting down the write side.
    ///
    /// Descriptors in the write queue are closed.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }
}

impl<const S: usize> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // The peer may have closed the connection, which needs no report here.
            let _ = self.socket.shutdown_write();
        }
    }
}

#[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
fn reunite<const S: usize>(
    read: OwnedReadHalf<S>,
    mut write: OwnedWriteHalf<S>,
) -> Result<AnchovyStream<S>, ReuniteError<OwnedReadHalf<S>, OwnedWriteHalf<S>>> {
    if !Arc::ptr_eq(&read.socket, &write.socket) {
        return Err(ReuniteError(read, write));
    }
    let sender = std::mem::take(&mut write.sender);
    write.forget();
    let socket = Arc::into_inner(read.socket).expect("only the two halves share the socket");
    Ok(AnchovyStream { socket, receiver: read.receiver, sender })
}
