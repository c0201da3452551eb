//! Many connections at once, connections on halves, and accepted connections.

use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anchovy::UnixListener;
use interop_tests::Directory;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener as TokioListener;

use crate::Ours;
use crate::baseline::Baseline;
use crate::contestant::{Contestant, Tokio};
use crate::live;
use crate::work::run;

const MESSAGE: [u8; 64] = [7; 64];

/// The chart of [`echoes`].
pub(crate) const CHART: &str = "echoes by number of connections";

/// Returns the name of a benchmark with this number of connections.
pub(crate) fn name(count: usize) -> String {
    format!("echoes on {count} connection{}", if count == 1 { "" } else { "s" })
}

/// Returns the numbers of connections of [`CHART`]: up to 10,000, or as many as fit into this number of
/// descriptors.
pub(crate) fn counts(limit: u64) -> Vec<usize> {
    // Both ends, and what the process has open already.
    let most = (limit.saturating_sub(100) / 2) as usize;
    let largest = if most < 10_000 { most / 100 * 100 } else { 10_000 };
    let mut counts: Vec<_> =
        [1, 10, 100, 1_000, 5_000].into_iter().filter(|n| *n < largest).collect();
    counts.push(largest.max(1));
    counts
}

/// Sends a message on each of `count` connections, and then receives the echo of each. Each far end is a
/// task. The time is that of one message and its echo.
pub(crate) fn echoes<C: Contestant>(count: usize) -> impl Fn() -> Duration {
    let rounds = (5_000 / count).max(1) as u32;
    move || {
        run(async {
            let mut ends: Vec<C> = (0..count)
                .map(|_| {
                    let (near, far) = C::pair();
                    tokio::spawn(echo(far));
                    near
                })
                .collect();
            let mut buf = MESSAGE;
            let start = Instant::now();
            for _ in 0..rounds {
                for end in &mut ends {
                    end.write_all(&MESSAGE).await.expect("the far end is there");
                }
                for end in &mut ends {
                    end.read_exact(&mut buf).await.expect("an echo");
                }
            }
            start.elapsed() / (rounds * count as u32)
        })
    }
}

async fn echo<C: Contestant>(mut stream: C) {
    let mut buf = MESSAGE;
    while stream.read_exact(&mut buf).await.is_ok() {
        stream.write_all(&buf).await.expect("the near end is there");
    }
}

/// Number of connections whose memory is measured.
const IDLE: usize = 1_000;

/// Memory of a stream and of the task in which it waits for a message.
pub(crate) fn idle<C: Contestant>() -> usize {
    let connections = |count: usize| async move {
        for _ in 0..count {
            let (near, far) = C::pair();
            tokio::spawn(echo(near));
            tokio::spawn(echo(far));
        }
        // Lets each task wait.
        tokio::task::yield_now().await;
    };
    let runtime = crate::work::runtime();
    // The first connection allocates memory that all connections share.
    runtime.block_on(connections(1));
    let (bytes, ()) = live::bytes_of(|| runtime.block_on(connections(IDLE)));
    bytes / (2 * IDLE)
}

/// A stream whose halves are used by two tasks.
pub(crate) trait Split: Contestant {
    type Read: AsyncRead + Unpin + Send + 'static;
    type Write: AsyncWrite + Unpin + Send + 'static;

    fn halves(self) -> (Self::Read, Self::Write);
}

impl Split for Tokio {
    type Read = tokio::net::unix::OwnedReadHalf;
    type Write = tokio::net::unix::OwnedWriteHalf;

    fn halves(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }
}

impl Split for Ours {
    type Read = anchovy::OwnedReadHalf<{ anchovy::DBUS_SCM_RIGHTS }>;
    type Write = anchovy::OwnedWriteHalf<{ anchovy::DBUS_SCM_RIGHTS }>;

    fn halves(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }
}

impl<const FDS: bool> Split for Baseline<FDS> {
    type Read = Baseline<FDS>;
    type Write = Baseline<FDS>;

    fn halves(self) -> (Self::Read, Self::Write) {
        (self.other_half(), self)
    }
}

/// Sends messages in both directions at the same time, with a task for each of the four halves.
pub(crate) fn both_ways<C: Split>() -> Duration {
    const MESSAGES: u32 = 5_000;

    async fn write(mut half: impl AsyncWrite + Unpin) {
        for _ in 0..MESSAGES {
            half.write_all(&MESSAGE).await.expect("the other end is there");
        }
        half.shutdown().await.expect("a socket");
    }
    async fn read(mut half: impl AsyncRead + Unpin) {
        let (mut buf, mut length) = ([0; 4096], 0);
        while length < MESSAGES as usize * MESSAGE.len() {
            length += half.read(&mut buf).await.expect("a read");
        }
    }
    run(async {
        let (near, far) = C::pair();
        let (near, far) = (near.halves(), far.halves());
        let start = Instant::now();
        let tasks = [
            tokio::spawn(write(near.1)),
            tokio::spawn(write(far.1)),
            tokio::spawn(read(near.0)),
            tokio::spawn(read(far.0)),
        ];
        for task in tasks {
            task.await.expect("it does not panic");
        }
        start.elapsed() / (2 * MESSAGES)
    })
}

/// Accepts with a listener of tokio.
pub(crate) fn accept_tokio() -> Duration {
    accepts(
        |path| TokioListener::bind(path).expect("a free path"),
        async |listener: &TokioListener| listener.accept().await.expect("a client").0,
    )
}

/// Accepts with `accept4`, and registers the stream with the runtime.
pub(crate) fn accept_baseline() -> Duration {
    accepts(
        |path| std::os::unix::net::UnixListener::bind(path).expect("a free path"),
        async |listener: &std::os::unix::net::UnixListener| {
            // All clients have connected before, so this does not block.
            // SAFETY: the call takes no address, and the descriptor is new.
            let stream = unsafe {
                let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
                let null = std::ptr::null_mut();
                let fd = libc::accept4(listener.as_raw_fd(), null, null.cast(), flags);
                assert!(fd >= 0, "a client");
                StdUnixStream::from_raw_fd(fd)
            };
            Tokio::from_std(stream).expect("a runtime")
        },
    )
}

/// Accepts with a listener of anchovy.
pub(crate) fn accept_ours() -> Duration {
    accepts(
        |path| UnixListener::bind(path).expect("a free path"),
        async |listener: &UnixListener| listener.accept().await.expect("a client").0,
    )
}

/// Measures `accept` only, with all clients of a batch in the backlog.
fn accepts<L, S>(bind: impl FnOnce(PathBuf) -> L, accept: impl AsyncFn(&L) -> S) -> Duration {
    const BATCHES: u32 = 10;
    const BATCH: u32 = 64;
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = bind(path.clone());
        let mut spent = Duration::ZERO;
        for _ in 0..BATCHES {
            let connect = |_| StdUnixStream::connect(&path).expect("it listens");
            let _clients: Vec<_> = (0..BATCH).map(connect).collect();
            let mut accepted = Vec::with_capacity(BATCH as usize);
            let start = Instant::now();
            for _ in 0..BATCH {
                accepted.push(accept(&listener).await);
            }
            spent += start.elapsed();
        }
        spent / (BATCHES * BATCH)
    })
}
