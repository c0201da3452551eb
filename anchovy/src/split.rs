//! The halves of a stream: the same socket, seen by one side each.

use std::fmt;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use crate::error::reunite_error::ReuniteError;
use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;
use crate::stream::AnchovyStream;

/// The read half that [`AnchovyStream::split`] borrows.
pub struct ReadHalf<'a, const S: usize> {
    socket: &'a Socket,
    receiver: &'a mut Receiver,
}

/// The write half that [`AnchovyStream::split`] borrows.
///
/// Dropping it shuts nothing down.
pub struct WriteHalf<'a, const S: usize> {
    socket: &'a Socket,
    sender: &'a mut Sender,
}

/// The read half that [`AnchovyStream::into_split`] makes.
///
/// Dropping it closes what is left in the read queue. What arrives later stays in the kernel, and
/// is closed with the socket.
pub struct OwnedReadHalf<const S: usize> {
    socket: Arc<Socket>,
    receiver: Receiver,
}

/// The write half that [`AnchovyStream::into_split`] makes.
///
/// Dropping it closes what is left in the write queue and shuts the write side down: the peer
/// reads to the end. [`forget`](Self::forget) drops it without.
pub struct OwnedWriteHalf<const S: usize> {
    socket: Arc<Socket>,
    sender: Sender,
    shutdown_on_drop: bool,
}

pub(crate) fn borrowed<'a, const S: usize>(
    socket: &'a Socket,
    receiver: &'a mut Receiver,
    sender: &'a mut Sender,
) -> (ReadHalf<'a, S>, WriteHalf<'a, S>) {
    (ReadHalf { socket, receiver }, WriteHalf { socket, sender })
}

pub(crate) fn owned<const S: usize>(
    socket: Socket,
    receiver: Receiver,
    sender: Sender,
) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let socket = Arc::new(socket);
    let read = OwnedReadHalf { socket: Arc::clone(&socket), receiver };
    (read, OwnedWriteHalf { socket, sender, shutdown_on_drop: true })
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
    Ok(AnchovyStream::assemble(socket, read.receiver, sender))
}

impl<const S: usize> ReadHalf<'_, S> {
    fn socket(&self) -> &Socket {
        self.socket
    }

    fn receiver(&self) -> &Receiver {
        self.receiver
    }

    #[inline]
    pub(crate) fn reading(&mut self) -> (&Socket, &mut Receiver) {
        (self.socket, self.receiver)
    }
}

impl<const S: usize> WriteHalf<'_, S> {
    fn socket(&self) -> &Socket {
        self.socket
    }

    fn sender(&self) -> &Sender {
        self.sender
    }

    #[inline]
    pub(crate) fn writing(&mut self) -> (&Socket, &mut Sender) {
        (self.socket, self.sender)
    }
}

impl<const S: usize> OwnedReadHalf<S> {
    /// Are these the two halves of one stream?
    pub fn is_pair_of(&self, write: &OwnedWriteHalf<S>) -> bool {
        Arc::ptr_eq(&self.socket, &write.socket)
    }

    /// Makes the two halves of one stream that stream again, with both queues.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], with both halves in it, if they are not of one stream.
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

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    #[inline]
    pub(crate) fn reading(&mut self) -> (&Socket, &mut Receiver) {
        (&self.socket, &mut self.receiver)
    }
}

impl<const S: usize> OwnedWriteHalf<S> {
    /// Makes the two halves of one stream that stream again; see [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], with both halves in it, if they are not of one stream.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite(
        self,
        read: OwnedReadHalf<S>,
    ) -> Result<AnchovyStream<S>, ReuniteError<OwnedReadHalf<S>, OwnedWriteHalf<S>>> {
        reunite(read, self)
    }

    /// Drops the half without shutting the write side down.
    ///
    /// What is left in the write queue is closed all the same.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn sender(&self) -> &Sender {
        &self.sender
    }

    #[inline]
    pub(crate) fn writing(&mut self) -> (&Socket, &mut Sender) {
        (&self.socket, &mut self.sender)
    }
}

impl<const S: usize> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // The peer may have closed first, and then there is nothing to tell it.
            let _ = self.socket.shutdown_write();
        }
    }
}

socket_face!(['a, const S: usize] ReadHalf<'a, S>);
read_face!(['a, const S: usize] ReadHalf<'a, S>);

socket_face!(['a, const S: usize] WriteHalf<'a, S>);
write_face!(['a, const S: usize] WriteHalf<'a, S>);

socket_face!([const S: usize] OwnedReadHalf<S>);
read_face!([const S: usize] OwnedReadHalf<S>);

socket_face!([const S: usize] OwnedWriteHalf<S>);
write_face!([const S: usize] OwnedWriteHalf<S>);

macro_rules! debug {
    ([$($generics:tt)*] $type:ty, $name:literal, $side:ident) => {
        impl<$($generics)*> fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct($name);
                debug
                    .field("fd", &self.as_raw_fd())
                    .field("S", &S)
                    .field("FD_LIMIT", &Self::FD_LIMIT);
                self.$side.debug(&mut debug);
                debug.finish()
            }
        }
    };
}

debug!([const S: usize] ReadHalf<'_, S>, "ReadHalf", receiver);
debug!([const S: usize] WriteHalf<'_, S>, "WriteHalf", sender);
debug!([const S: usize] OwnedReadHalf<S>, "OwnedReadHalf", receiver);
debug!([const S: usize] OwnedWriteHalf<S>, "OwnedWriteHalf", sender);
