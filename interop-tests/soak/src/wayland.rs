//! Wayland: messages whose opcode is their number of descriptors.

use std::io;
use std::path::Path;

use anchovy_wayland::{
    Connection, Limits, Listener, Message, ObjectId, OwnedReadHalf, OwnedWriteHalf,
};
use tokio::net::UnixStream;

use crate::protocol::{Numbered, Protocol, Receive, Transmit};

pub(crate) struct Wayland;

/// The number of descriptors of a message.
type Counts = fn(ObjectId, u16) -> usize;

const COUNTS: Counts = |_, opcode| usize::from(opcode);

impl Protocol for Wayland {
    const NAME: &'static str = "wayland";

    type Listener = Listener;
    type Read = OwnedReadHalf<Counts>;
    type Write = OwnedWriteHalf;

    fn bind(path: &Path) -> io::Result<Listener> {
        Listener::bind(path).map_err(io::Error::other)
    }

    async fn accept(listener: &Listener) -> io::Result<(Self::Read, Self::Write)> {
        let (stream, _) = listener.accept().await?;
        Ok(Connection::new(stream, COUNTS, Limits::server())?.into_split())
    }

    async fn connect(path: &Path) -> io::Result<(Self::Read, Self::Write)> {
        let socket = UnixStream::connect(path).await?;
        Ok(Connection::new(socket, COUNTS, Limits::client())?.into_split())
    }
}

impl Receive for OwnedReadHalf<Counts> {
    async fn receive(&mut self) -> io::Result<Option<Numbered>> {
        let Some(mut message) = OwnedReadHalf::receive(self).await? else { return Ok(None) };
        let number = message.read().uint().map_err(io::Error::other)?;
        Ok(Some((number, message.take_fds())))
    }
}

impl Transmit for OwnedWriteHalf {
    async fn send(&mut self, (number, fds): Numbered) -> io::Result<()> {
        let object = ObjectId::new(5).expect("not 0");
        let message = Message::builder(object, fds.len() as u16).uint(number);
        let message = fds.into_iter().fold(message, |message, fd| message.fd(fd));
        OwnedWriteHalf::send(self, message.build().map_err(io::Error::other)?).await?;
        Ok(())
    }

    async fn close(mut self) -> io::Result<()> {
        Ok(self.shutdown().await?)
    }
}
