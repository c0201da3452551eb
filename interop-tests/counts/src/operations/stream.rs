//! The operations of `anchovy`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use anchovy::{DBUS_SCM_RIGHTS, UnixListener, UnixStream, copy_bidirectional, exchange};
use bytes::{Buf, BufMut, BytesMut};
use interop_tests::{Directory, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::operation::{Operation, Rounds, repeat};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("ping-pong of 64 B", || ping_pong(0)),
    Operation::new("ping-pong of 64 B and 1 descriptor", || ping_pong(1)),
    Operation::new("ping-pong of 64 B, fd passing off", ping_pong_without_passing)
        .needs_newer_kernel(),
    Operation::new("send and receive 64 B and 1 borrowed descriptor", borrowed),
    Operation::new("accept a connection", accept),
    Operation::new("copy 64 B there and back", copy),
    Operation::new("exchange 64 B and 1 descriptor", exchanged),
    Operation::new("32 frames of 64 B", frames),
];

const MESSAGE: [u8; 64] = [7; 64];

pub(super) fn null() -> OwnedFd {
    File::open("/dev/null").expect("there is a null device").into()
}

fn ping_pong(fds: usize) -> Rounds {
    let runtime = runtime();
    let (mut near, far) = runtime.block_on(async { UnixStream::pair().expect("a pair") });
    near.write_queue_mut().extend((0..fds).map(|_| null()));
    repeat(runtime, ping_pong_round(near, far))
}

fn ping_pong_without_passing() -> Rounds {
    let runtime = runtime();
    let (near, far) = runtime.block_on(async { UnixStream::pair().expect("a pair") });
    for end in [&near, &far] {
        end.set_fd_passing(false).expect("a kernel with SO_PASSRIGHTS");
    }
    repeat(runtime, ping_pong_round(near, far))
}

fn ping_pong_round(mut near: UnixStream, mut far: UnixStream) -> impl AsyncFnMut() {
    let mut buf = [0; 4096];
    async move || {
        near.write_all(&MESSAGE).await.expect("the far end is there");
        assert_eq!(far.read(&mut buf).await.expect("a read"), MESSAGE.len());
        bounce(&mut far);
        far.write_all(&MESSAGE).await.expect("the near end is there");
        assert_eq!(near.read(&mut buf).await.expect("a read"), MESSAGE.len());
        bounce(&mut near);
    }
}

/// Moves all received descriptors to the write queue.
fn bounce(stream: &mut UnixStream) {
    while let Some(fd) = stream.read_queue_mut().pop_front() {
        stream.write_queue_mut().push_back(fd);
    }
}

fn borrowed() -> Rounds {
    let runtime = runtime();
    let (mut near, mut far) = runtime.block_on(async { UnixStream::pair().expect("a pair") });
    let (null, mut buf, mut fds) = ([null()], [0; 4096], Vec::new());
    repeat(runtime, async move || {
        near.send_with_fds(&MESSAGE, &null).await.expect("the far end is there");
        let received = far.recv_with_fds(&mut buf, &mut fds).await.expect("a message");
        assert_eq!((received.bytes, fds.len()), (MESSAGE.len(), 1));
        fds.clear();
    })
}

fn accept() -> Rounds {
    let (runtime, directory) = (runtime(), Directory::new());
    let path = directory.join("socket");
    let listener = runtime.block_on(async { UnixListener::bind(&path).expect("a free path") });
    repeat(runtime, async move || {
        // It exists as long as the listener.
        let _directory = &directory;
        let _client = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
        listener.accept().await.expect("a connection");
    })
}

fn copy() -> Rounds {
    let runtime = runtime();
    let (mut near, mut far) = runtime.block_on(async {
        let (near, mut left) = UnixStream::pair().expect("a pair");
        let (mut right, far) = UnixStream::pair().expect("a pair");
        tokio::spawn(async move { copy_bidirectional(&mut left, &mut right).await });
        (near, far)
    });
    let mut buf = [0; 4096];
    repeat(runtime, async move || {
        near.write_all(&MESSAGE).await.expect("the far end is there");
        assert_eq!(far.read(&mut buf).await.expect("a read"), MESSAGE.len());
        far.write_all(&MESSAGE).await.expect("the near end is there");
        assert_eq!(near.read(&mut buf).await.expect("a read"), MESSAGE.len());
    })
}

fn exchanged() -> Rounds {
    let runtime = runtime();
    let (near, far) = runtime.block_on(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        [near, far].map(|end| exchange::new(end).expect("an exchange")).into()
    });
    let ((mut near, sender), (mut far, receiver)) = (near, far);
    let (null, mut buf) = (null(), [0; 4096]);
    repeat(runtime, async move || {
        let id = sender.send_borrowed(&null).expect("there is room");
        near.write_all(&MESSAGE).await.expect("the far end is there");
        assert_eq!(far.read(&mut buf).await.expect("a read"), MESSAGE.len());
        receiver.receive(id).await.expect("it was sent");
    })
}

/// Frames of 64 bytes without descriptors.
struct Frames;

impl Decoder for Frames {
    type Item = u8;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        _: &mut ReceivedFds<'_>,
    ) -> Result<Option<u8>, ReceiveError<io::Error>> {
        if bytes.len() < MESSAGE.len() {
            return Ok(None);
        }
        let first = bytes[0];
        bytes.advance(MESSAGE.len());
        Ok(Some(first))
    }
}

impl Encoder<u8> for Frames {
    type Error = io::Error;

    fn encode(&mut self, item: &u8, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_bytes(*item, MESSAGE.len());
        Ok(())
    }
}

fn frames() -> Rounds {
    let runtime = runtime();
    let (near, far) = runtime.block_on(async { UnixStream::pair().expect("a pair") });
    let mut near = Framed::<DBUS_SCM_RIGHTS, _>::new(near, Frames);
    let mut far = Framed::<DBUS_SCM_RIGHTS, _>::new(far, Frames);
    repeat(runtime, async move || {
        for number in 0..32 {
            near.feed(number).await.expect("the far end is there");
        }
        near.flush().await.expect("the far end is there");
        for number in 0..32 {
            let item = far.next().await.expect("it was sent").expect("a frame");
            assert_eq!(item, number);
        }
    })
}
