//! The task that closes descriptors that were not taken in time.

use std::sync::Weak;

use tokio::time::{Instant, sleep_until};

use super::shared::Shared;

/// Closes descriptors when they expire, the first one at `next`, until no descriptor waits.
///
/// The task is started when a descriptor arrives while there is no task. It sleeps until that descriptor
/// expires, even if it is taken before. So a connection starts at most one task in each timeout, however
/// many descriptors arrive. The task ends when the stream and all handles are dropped.
pub(super) async fn expire(shared: Weak<Shared>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let Some(shared) = shared.upgrade() else { return };
        match shared.expire(Instant::now()) {
            Some(later) => next = later,
            None => return,
        }
    }
}
