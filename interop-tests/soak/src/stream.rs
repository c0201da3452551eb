//! Plain streams: eight bytes for each message, with its number and its number of descriptors.

use std::io;
use std::path::Path;

use anchovy::{DBUS_SCM_RIGHTS, OwnedReadHalf, OwnedWriteHalf, UnixListener, UnixStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::protocol::{Numbered, Protocol, Receive, Transmit};

pub(crate) struct Stream;

pub(crate) struct Read {
    half: OwnedReadHalf<DBUS_SCM_RIGHTS>,
    /// Bytes of a message that is not complete.
    bytes: Vec<u8>,
}

pub(crate) struct Write(OwnedWriteHalf<DBUS_SCM_RIGHTS>);

impl Protocol for Stream {
    const NAME: &'static str = "stream";

    type Listener = UnixListener;
    type Read = Read;
    type Write = Write;

    fn bind(path: &Path) -> io::Result<UnixListener> {
        UnixListener::bind(path).map_err(io::Error::from)
    }

    async fn accept(listener: &UnixListener) -> io::Result<(Read, Write)> {
        Ok(halves(listener.accept().await?.0))
    }

    async fn connect(path: &Path) -> io::Result<(Read, Write)> {
        Ok(halves(UnixStream::connect(path).await?))
    }
}

fn halves(stream: UnixStream) -> (Read, Write) {
    let (read, write) = stream.into_split();
    (Read { half: read, bytes: Vec::new() }, Write(write))
}

impl Receive for Read {
    async fn receive(&mut self) -> io::Result<Option<Numbered>> {
        while self.bytes.len() < 8 {
            let missing = 8 - self.bytes.len();
            if (&mut self.half).take(missing as u64).read_buf(&mut self.bytes).await? == 0 {
                let is_end = self.bytes.is_empty();
                return if is_end { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        let (number, count) = (word(&self.bytes[..4]), word(&self.bytes[4..]) as usize);
        self.bytes.clear();
        let queue = self.half.read_queue_mut();
        if queue.len() < count {
            return Err(io::Error::other(format!("{} descriptors, not {count}", queue.len())));
        }
        Ok(Some((number, queue.drain(..count).collect())))
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

impl Transmit for Write {
    async fn send(&mut self, (number, fds): Numbered) -> io::Result<()> {
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend((fds.len() as u32).to_le_bytes());
        let sent = self.0.send_with_fds(&bytes, &fds).await?;
        self.0.write_all(&bytes[sent..]).await
    }

    async fn close(mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
