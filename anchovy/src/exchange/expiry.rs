//! The task that closes descriptors that were not taken in time.

use std::sync::Weak;

use tokio::time::{Instant, sleep_until};

use super::shared::Shared;

/// Closes descriptors when their time is up, from `next` on, until none waits.
///
/// The task is started by the first descriptor that arrives while there is no task, and sleeps until the
/// time of that one is up, even if it is taken. So a connection starts at most one task in each timeout,
/// however many descriptors pass.
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
