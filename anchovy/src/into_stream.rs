//! Sockets that can be converted into a stream.

use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::net::UnixStream;

use crate::stream::anchovy_stream::AnchovyStream;

/// A socket that can be converted into an [`AnchovyStream`]: the `UnixStream` of std or of tokio,
/// or another `AnchovyStream`, which may have a different `S`.
///
/// The conversion of an `AnchovyStream` keeps its queues, its account and the error of a failed read side.
/// It does not keep the limits of the stream: the new stream has the limits of the builder, or the default
/// limits. To convert an `OwnedFd`, convert it into a `UnixStream` of std first (`From<OwnedFd>`).
///
/// This trait is sealed.
pub trait IntoUnixStream: sealed::Sealed {}

impl IntoUnixStream for StdUnixStream {}
impl IntoUnixStream for UnixStream {}
impl<const S: usize> IntoUnixStream for AnchovyStream<S> {}

pub(crate) mod sealed {
    use std::collections::VecDeque;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream as StdUnixStream;

    use tokio::net::UnixStream;

    use crate::error::fd_error::FdError;
    use crate::socket::Socket;
    use crate::stream::anchovy_stream::AnchovyStream;

    pub trait Sealed {
        /// Takes the socket and its queues from the previous owner.
        fn into_taken(self) -> io::Result<Taken>;
    }

    /// A socket and its queues.
    #[derive(Debug)]
    pub struct Taken {
        pub(crate) socket: Socket,
        pub(crate) read_queue: VecDeque<OwnedFd>,
        pub(crate) write_queue: VecDeque<OwnedFd>,
        pub(crate) read_error: Option<FdError>,
    }

    impl From<Socket> for Taken {
        fn from(socket: Socket) -> Taken {
            let (read_queue, write_queue) = (VecDeque::new(), VecDeque::new());
            Taken { socket, read_queue, write_queue, read_error: None }
        }
    }

    impl Sealed for StdUnixStream {
        fn into_taken(self) -> io::Result<Taken> {
            Ok(Socket::new(self)?.into())
        }
    }

    impl Sealed for UnixStream {
        fn into_taken(self) -> io::Result<Taken> {
            Ok(Socket::from_tokio(self)?.into())
        }
    }

    impl<const S: usize> Sealed for AnchovyStream<S> {
        fn into_taken(self) -> io::Result<Taken> {
            Ok(Taken {
                socket: self.socket,
                read_queue: self.receiver.queue,
                write_queue: self.sender.queue,
                read_error: self.receiver.failed.map(|error| *error),
            })
        }
    }
}
