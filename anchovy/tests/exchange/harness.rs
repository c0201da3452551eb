//! What the tests share: the harness of the workspace, and pairs of exchanges.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy::exchange::{self, Exchange, ExchangeBuilder, ExchangeError, ExchangeStream, FdId};
use anchovy::{FdError, UnixStream};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) use interop_tests::*;

/// The default timeout.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// The random number that a [`carrier`] of a test has.
pub(crate) const NONCE: u64 = 0x0123_4567_89ab_cdef;

/// One end of a connection.
pub(crate) struct End {
    pub(crate) stream: ExchangeStream,
    pub(crate) fds: Exchange,
}

impl End {
    pub(crate) fn new(builder: &ExchangeBuilder, stream: UnixStream) -> End {
        let (stream, fds) = builder.build(stream).unwrap();
        End { stream, fds }
    }

    pub(crate) fn send_all(&self, fds: Vec<OwnedFd>) -> Vec<FdId> {
        fds.into_iter().map(|fd| self.fds.send(fd).unwrap()).collect()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Takes a descriptor that has arrived.
    pub(crate) async fn take(&self, id: FdId) -> OwnedFd {
        now(self.fds.receive(id)).await.expect("it has arrived").unwrap()
    }
}

/// Two exchanges that are connected.
pub(crate) fn pair() -> (End, End) {
    pair_with(&Exchange::builder())
}

pub(crate) fn pair_with(builder: &ExchangeBuilder) -> (End, End) {
    let (near, far) = UnixStream::pair().unwrap();
    (End::new(builder, near), End::new(builder, far))
}

/// An exchange and a foreign socket that does not block.
pub(crate) fn with_foreign() -> (End, Foreign) {
    with_foreign_and(&Exchange::builder())
}

pub(crate) fn with_foreign_and(builder: &ExchangeBuilder) -> (End, Foreign) {
    let (near, far) = StdUnixStream::pair().unwrap();
    (End::new(builder, UnixStream::new(near).unwrap()), Foreign::new(far))
}

/// An exchange whose foreign peer has sent a byte with its carrier, which was read.
pub(crate) async fn with_known_foreign(builder: &ExchangeBuilder) -> (End, Foreign) {
    let (mut near, far) = with_foreign_and(builder);
    far.send_these(b".", &[carrier()]).unwrap();
    assert_eq!(near.read(1).await, b".");
    (near, far)
}

/// The descriptor that an exchange sends with its first byte, made without it.
pub(crate) fn carrier() -> OwnedFd {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    sealed(&[&b"anchovy\x01"[..], &NONCE.to_be_bytes()].concat(), seals)
}

pub(crate) fn sealed(content: &[u8], seals: SealFlags) -> OwnedFd {
    let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(rustix::io::write(&file, content).unwrap(), content.len());
    fcntl_add_seals(&file, seals).unwrap();
    file
}

/// The id of a descriptor that a foreign peer has sent after its [`carrier`].
pub(crate) fn foreign_id(index: u64) -> FdId {
    format!("{index}-{NONCE:016x}").parse().unwrap()
}

pub(crate) fn exchange_error(error: &io::Error) -> ExchangeError {
    ExchangeError::from_io_error(error)
        .unwrap_or_else(|| panic!("an error of the exchange, not {error:?}"))
}

pub(crate) fn fd_error(error: &io::Error) -> FdError {
    FdError::from_io_error(error).unwrap_or_else(|| panic!("a descriptor error, not {error:?}"))
}

/// Makes an exchange with default limits.
pub(crate) fn exchange(stream: UnixStream) -> End {
    let (stream, fds) = exchange::new(stream).unwrap();
    End { stream, fds }
}
