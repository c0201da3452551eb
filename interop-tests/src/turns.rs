//! Running a runtime for one turn, so that a test does not have to wait for a time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

/// Lets tokio poll its I/O driver, so that it notices events that have already happened.
pub async fn drive_io() {
    let (mut near, mut far) = tokio::net::UnixStream::pair().expect("a pair");
    near.write_all(b".").await.expect("room for a byte");
    far.read_exact(&mut [0]).await.expect("a byte");
}

/// Polls a future once, and returns its output if it does not wait.
pub async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Returns the number of turns that another task, which is always ready, gets while a future runs.
pub async fn turns_of_another_task(work: impl Future<Output = ()>) -> usize {
    let turns = Arc::new(AtomicUsize::new(0));
    let other_task = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        }
    });
    work.await;
    other_task.abort();
    turns.load(Ordering::Relaxed)
}
