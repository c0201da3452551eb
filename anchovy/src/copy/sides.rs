//! Sources and destinations of a copy: streams and their halves.

use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::stream::anchovy_stream::AnchovyStream;

/// A source of bytes and descriptors: an [`AnchovyStream`] or one of its read halves.
///
/// The trait is sealed.
pub trait FdReader: sealed::Reader {}

/// A destination of bytes and descriptors: an [`AnchovyStream`] or one of its write halves.
///
/// The trait is sealed.
pub trait FdWriter: sealed::Writer {}

impl<const S: usize> FdReader for AnchovyStream<S> {}
impl<const S: usize> FdReader for ReadHalf<'_, S> {}
impl<const S: usize> FdReader for OwnedReadHalf<S> {}

impl<const S: usize> FdWriter for AnchovyStream<S> {}
impl<const S: usize> FdWriter for WriteHalf<'_, S> {}
impl<const S: usize> FdWriter for OwnedWriteHalf<S> {}

pub(crate) mod sealed {
    use crate::receive::Receiver;
    use crate::send::Sender;
    use crate::socket::Socket;
    use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
    use crate::stream::anchovy_stream::AnchovyStream;

    pub trait Reader {
        fn receiving(&mut self) -> Receiving<'_>;
    }

    pub trait Writer {
        fn sending(&mut self) -> Sending<'_>;
    }

    /// The receiving side of a socket.
    #[derive(Debug)]
    pub struct Receiving<'a>(pub(crate) &'a Socket, pub(crate) &'a mut Receiver);

    /// The sending side of a socket.
    #[derive(Debug)]
    pub struct Sending<'a>(pub(crate) &'a Socket, pub(crate) &'a mut Sender);

    impl<const S: usize> Reader for AnchovyStream<S> {
        fn receiving(&mut self) -> Receiving<'_> {
            Receiving(&self.socket, &mut self.receiver)
        }
    }

    impl<const S: usize> Reader for ReadHalf<'_, S> {
        fn receiving(&mut self) -> Receiving<'_> {
            Receiving(self.socket, self.receiver)
        }
    }

    impl<const S: usize> Reader for OwnedReadHalf<S> {
        fn receiving(&mut self) -> Receiving<'_> {
            Receiving(&self.socket, &mut self.receiver)
        }
    }

    impl<const S: usize> Writer for AnchovyStream<S> {
        fn sending(&mut self) -> Sending<'_> {
            Sending(&self.socket, &mut self.sender)
        }
    }

    impl<const S: usize> Writer for WriteHalf<'_, S> {
        fn sending(&mut self) -> Sending<'_> {
            Sending(self.socket, self.sender)
        }
    }

    impl<const S: usize> Writer for OwnedWriteHalf<S> {
        fn sending(&mut self) -> Sending<'_> {
            Sending(&self.socket, &mut self.sender)
        }
    }
}
