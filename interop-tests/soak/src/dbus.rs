//! D-Bus: signals, with the number in the body.

use std::io;
use std::path::Path;

use anchovy_dbus::{
    Address, Addresses, Client, Guid, Listener, Message, OwnedReadHalf, OwnedWriteHalf, Server,
};

use crate::protocol::{Numbered, Protocol, Receive, Transmit};

pub(crate) struct Dbus;

impl Protocol for Dbus {
    const NAME: &'static str = "dbus";

    type Listener = Listener;
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn bind(path: &Path) -> io::Result<Listener> {
        let addresses: Addresses = Address::path(path).map_err(io::Error::other)?.into();
        let server = Server::new(Guid::generate().map_err(io::Error::other)?);
        server.bind(&addresses).map_err(io::Error::other)
    }

    async fn accept(listener: &Listener) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
        let incoming = listener.accept().await.map_err(io::Error::other)?;
        let mut connection = incoming.handshake().await.map_err(io::Error::from)?;
        // A server must not send descriptors before the first message of its client.
        connection.receive().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(connection.into_split())
    }

    async fn connect(path: &Path) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
        let address = Address::path(path).map_err(io::Error::other)?;
        let connection = Client::new().connect(address).await.map_err(io::Error::other)?;
        let (read, mut write) = connection.into_split();
        Transmit::send(&mut write, (0, Vec::new())).await?;
        Ok((read, write))
    }
}

impl Receive for OwnedReadHalf {
    async fn receive(&mut self) -> io::Result<Option<Numbered>> {
        let Some(mut message) = OwnedReadHalf::receive(self).await? else { return Ok(None) };
        let number = message.body()[..].try_into().map_err(io::Error::other)?;
        Ok(Some((u32::from_ne_bytes(number), message.take_fds())))
    }
}

impl Transmit for OwnedWriteHalf {
    async fn send(&mut self, (number, fds): Numbered) -> io::Result<()> {
        let body = number.to_ne_bytes().to_vec();
        let message = Message::signal("/", "org.example.Soak", "Number").body("u", body).fds(fds);
        OwnedWriteHalf::send(self, message.build().map_err(io::Error::other)?).await?;
        Ok(())
    }

    async fn close(mut self) -> io::Result<()> {
        Ok(self.shutdown().await?)
    }
}
