//! The multiplexing protocol of OpenSSH (`PROTOCOL.mux` in its source): a binary protocol without
//! a field for descriptors.
//!
//! Each of the three standard streams of a session is one descriptor, sent with one zero byte after
//! the request. These three bytes belong to no message.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anchovy::{AnchovyStream, cmsg_space};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The smallest stream, because the protocol sends one descriptor at a time.
pub(super) type Stream = AnchovyStream<{ cmsg_space!(ScmRights(1)) }>;

/// The protocol version.
const VERSION: u32 = 4;

/// The maximum length of a message, which is more than any message of these scenarios needs.
const MAX_LEN: u32 = 64 << 10;

const HELLO: u32 = 1;
pub(super) const NEW_SESSION: u32 = 0x1000_0002;
pub(super) const ALIVE_CHECK: u32 = 0x1000_0004;
pub(super) const EXIT_MESSAGE: u32 = 0x8000_0004;
pub(super) const ALIVE: u32 = 0x8000_0005;
pub(super) const SESSION_OPENED: u32 = 0x8000_0006;

/// A connection after the exchange of versions.
#[derive(Debug)]
pub(super) struct Mux(Stream);

impl Mux {
    /// Connects to a master.
    pub(super) async fn connect(path: &Path) -> Mux {
        Mux::new(Stream::connect(path).await.expect("the master listens")).await
    }

    /// Exchanges versions, which is the same for both sides.
    pub(super) async fn new(stream: Stream) -> Mux {
        let mut mux = Mux(stream);
        mux.send(Message::new(HELLO).int(VERSION)).await;
        assert_eq!(mux.receive(HELLO).await.int(), VERSION);
        mux
    }

    pub(super) async fn send(&mut self, message: Message) {
        let mut bytes = BytesMut::new();
        bytes.put_u32(message.0.len() as u32);
        bytes.put(message.0);
        self.0.write_all(&bytes).await.expect("the other side is there");
    }

    /// Receives a message of this type.
    pub(super) async fn receive(&mut self, expected: u32) -> Fields {
        let len = self.0.read_u32().await.expect("a message");
        assert!(len <= MAX_LEN, "a message of {len} bytes");
        let mut bytes = vec![0; len as usize];
        self.0.read_exact(&mut bytes).await.expect("the rest of the message");
        let mut fields = Fields(bytes.into());
        let received = fields.int();
        assert_eq!(received, expected, "{received:#x} instead of {expected:#x}: {:?}", fields.0);
        assert!(self.0.read_queue().is_empty(), "no message has a descriptor");
        fields
    }

    /// Sends a descriptor that stays open here.
    pub(super) async fn send_fd(&mut self, fd: impl AsFd) {
        assert_eq!(self.0.send_with_fds(&[0], &[fd]).await.expect("it is sent"), 1);
    }

    /// Receives a descriptor.
    pub(super) async fn receive_fd(&mut self) -> OwnedFd {
        let mut byte = [1];
        let received = self.0.recv(&mut byte).await.expect("a byte with a descriptor");
        assert_eq!((byte, received.bytes, received.fds), ([0], 1, 1));
        self.0.read_queue_mut().pop_front().expect("the descriptor of this byte")
    }

    /// Waits until the other side has closed the connection.
    pub(super) async fn ended(mut self) {
        assert_eq!(self.0.read(&mut [0]).await.expect("the end"), 0);
    }

    /// Returns the process id of the other side.
    pub(super) fn peer_pid(&self) -> Option<i32> {
        self.0.peer_cred().expect("credentials").pid()
    }
}

/// A message to send.
#[derive(Debug)]
pub(super) struct Message(BytesMut);

impl Message {
    pub(super) fn new(kind: u32) -> Message {
        Message(BytesMut::new()).int(kind)
    }

    pub(super) fn int(mut self, value: u32) -> Message {
        self.0.put_u32(value);
        self
    }

    pub(super) fn text(self, value: &str) -> Message {
        let mut message = self.int(value.len() as u32);
        message.0.put(value.as_bytes());
        message
    }
}

/// The fields of a received message.
#[derive(Debug)]
pub(super) struct Fields(Bytes);

impl Fields {
    pub(super) fn int(&mut self) -> u32 {
        self.0.get_u32()
    }

    pub(super) fn text(&mut self) -> String {
        let len = self.int() as usize;
        String::from_utf8(self.0.split_to(len).into()).expect("text")
    }
}
