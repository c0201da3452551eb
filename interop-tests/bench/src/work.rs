//! The benchmarks of streams.

use std::fs::File;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Ours;
use crate::baseline::Baseline;
use crate::contestant::Contestant;

const MESSAGE: [u8; 64] = [7; 64];

/// One end sends a message of `bytes` and `fds` descriptors, and the other one returns them. Both read
/// into at least 4 KiB, as programs do that do not know the length of the next message.
pub(crate) fn ping_pong<C: Contestant>(
    pair: fn() -> (C, C),
    bytes: usize,
    fds: usize,
) -> impl Fn() -> Duration {
    let rounds = if fds > 28 { 100 } else { (20_000_000 / bytes).clamp(10, 2_500) as u32 };
    move || {
        run(async {
            let (mut near, mut far) = pair();
            near.queue((0..fds).map(|_| null()).collect());
            let message = vec![7; bytes];
            let mut echoed = message.clone();
            let buf = || vec![0; bytes.clamp(4096, 64 * 1024)];
            let (mut near_buf, mut far_buf) = (buf(), buf());

            let echo = async move {
                while receive(&mut far, &mut far_buf, &mut echoed).await {
                    far.bounce();
                    far.write_all(&echoed).await.expect("the near end is there");
                }
            };
            let drive = async move {
                let mut received = message.clone();
                let start = Instant::now();
                for _ in 0..rounds {
                    near.write_all(&message).await.expect("the far end is there");
                    assert!(receive(&mut near, &mut near_buf, &mut received).await, "it echoes");
                    near.bounce();
                }
                start.elapsed() / rounds
            };
            together(echo, drive).await
        })
    }
}

/// Receives a message of the length of `message`, and reads into `buf`. Returns `false` at the end of the
/// stream.
async fn receive<C: Contestant>(stream: &mut C, buf: &mut [u8], message: &mut [u8]) -> bool {
    let mut length = 0;
    while length < message.len() {
        let count = stream.read(buf).await.expect("a read");
        if count == 0 {
            assert_eq!(length, 0, "messages are whole");
            return false;
        }
        message[length..length + count].copy_from_slice(&buf[..count]);
        length += count;
    }
    true
}

/// One end writes `bytes` at a time, and the other one reads up to 64 KiB at a time.
pub(crate) fn stream<C: Contestant>(pair: fn() -> (C, C), bytes: usize) -> impl Fn() -> Duration {
    let writes = (32_000_000 / bytes).clamp(20, 10_000) as u32;
    move || {
        run(async {
            let (mut near, mut far) = pair();
            let write = async move {
                let data = vec![7; bytes];
                for _ in 0..writes {
                    near.write_all(&data).await.expect("the far end is there");
                }
            };
            let read = async move {
                let mut buf = vec![0; 64 * 1024];
                let start = Instant::now();
                while far.read(&mut buf).await.expect("a read") > 0 {}
                start.elapsed() / writes
            };
            together(write, read).await
        })
    }
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
    let null = null();
    send_batches(async |near: &mut Ours| {
        let duplicate = null.as_fd().try_clone_to_owned().expect("a duplicate");
        near.write_queue_mut().push_back(duplicate);
        near.write_all(&MESSAGE).await.expect("there is room");
    })
}

/// Sends a borrowed descriptor.
pub(crate) fn send_borrowed() -> Duration {
    let null = [null()];
    send_batches(async |near: &mut Ours| {
        let sent = near.send_with_fds(&MESSAGE, &null).await;
        assert_eq!(sent.expect("there is room"), MESSAGE.len());
    })
}

/// Sends a borrowed descriptor with a hand-written system call.
pub(crate) fn send_baseline() -> Duration {
    let null = [null()];
    send_batches(async |near: &mut Baseline<true>| {
        let sent = near.send_borrowed(&MESSAGE, &null).await;
        assert_eq!(sent.expect("there is room"), MESSAGE.len());
    })
}

/// Measures sends in batches. The receiver drains the socket between them, which is not measured.
fn send_batches<C: Contestant>(send: impl AsyncFn(&mut C)) -> Duration {
    const BATCHES: u32 = 100;
    const BATCH: u32 = 50;
    run(async {
        let (mut near, mut far) = C::pair();
        let (mut buf, mut spent) = (MESSAGE, Duration::ZERO);
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..BATCH {
                send(&mut near).await;
            }
            spent += start.elapsed();
            for _ in 0..BATCH {
                far.read_exact(&mut buf).await.expect("it was sent");
                far.close_received();
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
