//! The benchmarks of streams.

use std::fs::File;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Ours;
use crate::contestant::Contestant;

const MESSAGE: [u8; 64] = [7; 64];

/// One end sends 64 bytes and `FDS` descriptors, and the other one returns them. Both read into 4 KiB,
/// as programs do that do not know the length of the next message.
pub(crate) fn ping_pong<C: Contestant, const FDS: usize>() -> Duration {
    let rounds = if FDS > 28 { 100 } else { 2_500 };
    run(async {
        let (mut near, mut far) = C::pair();
        near.queue((0..FDS).map(|_| null()).collect());

        let echo = async move {
            let mut buf = [0; 4096];
            loop {
                let count = far.read(&mut buf).await.expect("a read");
                if count == 0 {
                    return;
                }
                far.bounce();
                far.write_all(&buf[..count]).await.expect("the near end is there");
            }
        };
        let drive = async move {
            let mut buf = [0; 4096];
            let start = Instant::now();
            for _ in 0..rounds {
                near.write_all(&MESSAGE).await.expect("the far end is there");
                let count = near.read(&mut buf).await.expect("it echoes");
                assert_eq!(count, MESSAGE.len());
                near.bounce();
            }
            start.elapsed() / rounds
        };
        together(echo, drive).await
    })
}

/// One end writes 64 KiB at a time, and the other one reads 64 KiB at a time.
pub(crate) fn stream_large<C: Contestant>() -> Duration {
    const WRITES: u32 = 1_000;
    run(async {
        let (mut near, mut far) = C::pair();
        let write = async move {
            let data = vec![7; 64 * 1024];
            for _ in 0..WRITES {
                near.write_all(&data).await.expect("the far end is there");
            }
        };
        let read = async move {
            let mut buf = vec![0; 64 * 1024];
            let start = Instant::now();
            while far.read(&mut buf).await.expect("a read") > 0 {}
            start.elapsed() / WRITES
        };
        together(write, read).await
    })
}

/// One end writes messages of 128 bytes, and the other one reads up to 8 KiB of them at a time.
pub(crate) fn stream_small<C: Contestant>() -> Duration {
    const WRITES: u32 = 10_000;
    run(async {
        let (mut near, mut far) = C::pair();
        let write = async move {
            let data = [7; 128];
            for _ in 0..WRITES {
                near.write_all(&data).await.expect("the far end is there");
            }
        };
        let read = async move {
            let mut buf = Vec::with_capacity(8 * 1024);
            let start = Instant::now();
            while far.read_buf(&mut buf).await.expect("a read") > 0 {
                buf.clear();
            }
            start.elapsed() / WRITES
        };
        together(write, read).await
    })
}

/// Sends a duplicate of a descriptor, as with an API that accepts only owned ones.
pub(crate) fn send_duplicate() -> Duration {
    send_batches(async |near, fd| {
        let duplicate = fd.as_fd().try_clone_to_owned().expect("a duplicate");
        near.write_queue_mut().push_back(duplicate);
        near.write_all(&MESSAGE).await.expect("there is room");
    })
}

/// Sends a borrowed descriptor.
pub(crate) fn send_borrowed() -> Duration {
    send_batches(async |near, fd| {
        let sent = near.send_with_fds(&MESSAGE, std::slice::from_ref(fd)).await;
        assert_eq!(sent.expect("there is room"), MESSAGE.len());
    })
}

/// Measures sends in batches. The receiver drains the socket between them, which is not measured.
fn send_batches(send: impl AsyncFn(&mut Ours, &OwnedFd)) -> Duration {
    const BATCHES: u32 = 100;
    const BATCH: u32 = 50;
    run(async {
        let (mut near, mut far) = Ours::pair().expect("a pair");
        let (fd, mut buf, mut spent) = (null(), MESSAGE, Duration::ZERO);
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..BATCH {
                send(&mut near, &fd).await;
            }
            spent += start.elapsed();
            for _ in 0..BATCH {
                far.read_exact(&mut buf).await.expect("it was sent");
                far.read_queue_mut().clear();
            }
        }
        spent / (BATCHES * BATCH)
    })
}

pub(crate) fn null() -> OwnedFd {
    File::open("/dev/null").expect("there is a null device").into()
}

/// Runs both as two tasks in one thread until the second one has ended.
pub(crate) async fn together<T>(
    first: impl Future<Output = ()> + Send + 'static,
    second: impl Future<Output = T>,
) -> T {
    let first = tokio::spawn(first);
    let outcome = second.await;
    first.await.expect("the other end does not panic");
    outcome
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

/// Creates a runtime with I/O and time: zbus and the handshake of anchovy-dbus require a timer.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
