//! The socket trait of zbus for split halves: this is what a D-Bus library needs to use
//! anchovy-dbus.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS, OwnedReadHalf, OwnedWriteHalf};
use tokio::io::AsyncWriteExt;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};

type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;

/// A stream for a connection of zbus.
#[derive(Debug)]
pub(super) struct OurSocket(Stream);

impl OurSocket {
    pub(super) fn new(stream: Stream) -> OurSocket {
        OurSocket(stream)
    }
}

#[derive(Debug)]
pub(super) struct OurReadHalf(OwnedReadHalf<DBUS_SCM_RIGHTS>);

#[derive(Debug)]
pub(super) struct OurWriteHalf(OwnedWriteHalf<DBUS_SCM_RIGHTS>);

impl Socket for OurSocket {
    type ReadHalf = OurReadHalf;
    type WriteHalf = OurWriteHalf;

    fn split(self) -> Split<OurReadHalf, OurWriteHalf> {
        let (read, write) = self.0.into_split();
        Split::new(OurReadHalf(read), OurWriteHalf(write))
    }
}

#[async_trait::async_trait]
impl ReadHalf for OurReadHalf {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let received = self.0.recv(buffer).await?;
        let fds: Vec<_> = self.0.read_queue_mut().drain(..).collect();
        super::see_close_on_exec(&fds);
        assert_eq!(fds.len(), received.fds, "the queue was empty before");
        Ok((received.bytes, fds))
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

#[async_trait::async_trait]
impl WriteHalf for OurWriteHalf {
    async fn sendmsg(&mut self, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.send_with_fds(buffer, fds).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}
