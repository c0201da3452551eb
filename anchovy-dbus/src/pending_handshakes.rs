//! A bound on the handshakes that are not over.
//!
//! A client that does not finish its handshake costs descriptors and time. So many may be in their
//! handshake at once, and half as many of one uid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handshakes that are not over, of all clients of a listener.
#[derive(Debug)]
pub(crate) struct PendingHandshakes {
    permits: Arc<Semaphore>,
    most_of_uid: usize,
    by_uid: Mutex<HashMap<u32, usize>>,
}

impl PendingHandshakes {
    /// At most `most` handshakes at once, half of them of one uid.
    pub(crate) fn new(most: usize) -> Arc<PendingHandshakes> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(PendingHandshakes {
            permits: Arc::new(Semaphore::new(most)),
            most_of_uid: most.div_ceil(2),
            by_uid: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        // A number is whole after each statement that changes it.
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more handshake may begin.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has waited for nothing.
    pub(crate) async fn acquire(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.expect("nothing closes the semaphore")
    }

    /// Begins the handshake of a client of this uid, unless the uid has as many as it may.
    pub(crate) fn begin(
        self: &Arc<PendingHandshakes>,
        uid: u32,
        permit: OwnedSemaphorePermit,
    ) -> Option<PendingHandshake> {
        let mut by_uid = self.lock();
        let count = by_uid.entry(uid).or_default();
        if *count >= self.most_of_uid {
            return None;
        }
        *count += 1;
        Some(PendingHandshake { all: Arc::clone(self), uid, _permit: permit })
    }
}

/// A handshake that is not over, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the handshake"]
pub(crate) struct PendingHandshake {
    all: Arc<PendingHandshakes>,
    uid: u32,
    _permit: OwnedSemaphorePermit,
}

impl Drop for PendingHandshake {
    fn drop(&mut self) {
        let mut by_uid = self.all.lock();
        if let Some(count) = by_uid.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                by_uid.remove(&self.uid);
            }
        }
    }
}
