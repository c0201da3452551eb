//! Exchanges: lines with a number and the ids of descriptors.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use anchovy::exchange::{self, ExchangeStream, FdId};
use anchovy::{UnixListener, UnixStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::protocol::{Numbered, Protocol, Receive, Transmit};

pub(crate) struct Exchange;

pub(crate) struct Read {
    half: ReadHalf<ExchangeStream>,
    handle: exchange::Exchange,
    /// Bytes that are not a complete line.
    bytes: Vec<u8>,
    line: Option<Line>,
}

/// A line, and those of its descriptors that were taken.
struct Line {
    number: u32,
    ids: VecDeque<FdId>,
    fds: Vec<OwnedFd>,
}

pub(crate) struct Write {
    half: WriteHalf<ExchangeStream>,
    handle: exchange::Exchange,
}

impl Protocol for Exchange {
    const NAME: &'static str = "exchange";

    type Listener = UnixListener;
    type Read = Read;
    type Write = Write;

    fn bind(path: &Path) -> io::Result<UnixListener> {
        UnixListener::bind(path).map_err(io::Error::from)
    }

    async fn accept(listener: &UnixListener) -> io::Result<(Read, Write)> {
        halves(listener.accept().await?.0)
    }

    async fn connect(path: &Path) -> io::Result<(Read, Write)> {
        halves(UnixStream::connect(path).await?)
    }
}

fn halves(stream: UnixStream) -> io::Result<(Read, Write)> {
    let (stream, handle) = exchange::new(stream)?;
    let (read, write) = tokio::io::split(stream);
    let ours = handle.clone();
    Ok((
        Read { half: read, handle: ours, bytes: Vec::new(), line: None },
        Write { half: write, handle },
    ))
}

impl Receive for Read {
    async fn receive(&mut self) -> io::Result<Option<Numbered>> {
        while self.line.is_none() {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = self.bytes.drain(..=end).collect();
                let line = String::from_utf8(line).map_err(io::Error::other)?;
                self.line = Some(parse(&line)?);
            } else if self.half.read_buf(&mut self.bytes).await? == 0 {
                let is_end = self.bytes.is_empty();
                return if is_end { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        let line = self.line.as_mut().expect("a line");
        while let Some(id) = line.ids.front() {
            line.fds.push(self.handle.receive(*id).await?);
            line.ids.pop_front();
        }
        Ok(self.line.take().map(|line| (line.number, line.fds)))
    }
}

fn parse(line: &str) -> io::Result<Line> {
    let mut words = line.split_whitespace();
    let number = words.next().unwrap_or_default().parse().map_err(io::Error::other)?;
    let ids = words.map(str::parse).collect::<Result<_, _>>()?;
    Ok(Line { number, ids, fds: Vec::new() })
}

impl Transmit for Write {
    async fn send(&mut self, (number, fds): Numbered) -> io::Result<()> {
        let mut line = number.to_string();
        for fd in fds {
            line += &format!(" {}", self.handle.send(fd)?);
        }
        line.push('\n');
        self.half.write_all(line.as_bytes()).await
    }

    async fn close(mut self) -> io::Result<()> {
        self.half.shutdown().await
    }
}
