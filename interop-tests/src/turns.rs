//! Turns of a runtime, so that a test need not wait for a time.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Gives the driver a turn, so that readiness is known to tokio whose cause came before.
pub async fn drive_io() {
    let (mut near, mut far) = tokio::net::UnixStream::pair().expect("a pair");
    near.write_all(b".").await.expect("room for a byte");
    far.read_exact(&mut [0]).await.expect("a byte");
}

/// Polls once: what a future would return without waiting.
pub async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
