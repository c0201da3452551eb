//! Futures that are dropped before they complete.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::Rng;

/// Polls a future a number of times that the seed chooses, and drops it if it has not completed
/// then. Returns `None` if it was dropped.
pub async fn cancel<T>(rng: &mut Rng, future: impl Future<Output = T>) -> Option<T> {
    let polls = if rng.percent(40) { rng.pick(&[1, 1, 2, 3, 5]) } else { usize::MAX };
    Cancel { future: pin!(future), polls }.await
}

/// A future that ends with `None` after a number of polls.
#[derive(Debug)]
pub struct Cancel<F> {
    future: F,
    polls: usize,
}

impl<F: Future + Unpin> Future for Cancel<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.polls -= 1;
        match Pin::new(&mut this.future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if this.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
