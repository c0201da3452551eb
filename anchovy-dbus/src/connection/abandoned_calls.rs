//! Calls whose replies are discarded.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Serials of calls that ended without their reply, shared by both halves: the receiving half discards
/// the replies, the sending half skips these serials.
#[derive(Debug, Default)]
pub(super) struct AbandonedCalls {
    /// In ascending order, which is nearly always that of insertion.
    serials: Mutex<Vec<NonZeroU32>>,
}

impl AbandonedCalls {
    pub(super) fn len(&self) -> usize {
        self.serials().len()
    }

    pub(super) fn contains(&self, serial: NonZeroU32) -> bool {
        self.serials().binary_search(&serial).is_ok()
    }

    pub(super) fn insert(&self, serial: NonZeroU32) {
        let mut serials = self.serials();
        if let Err(place) = serials.binary_search(&serial) {
            serials.insert(place, serial);
        }
    }

    /// Removes a serial. Returns whether it was present.
    pub(super) fn remove(&self, serial: NonZeroU32) -> bool {
        let mut serials = self.serials();
        let Ok(place) = serials.binary_search(&serial) else { return false };
        serials.remove(place);
        if serials.is_empty() {
            *serials = Vec::new();
        }
        true
    }

    fn serials(&self) -> MutexGuard<'_, Vec<NonZeroU32>> {
        // Every change is one call of `Vec`.
        self.serials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
