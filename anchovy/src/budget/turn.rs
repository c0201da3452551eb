//! The turn of a receive.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::yield_now;

use super::key::AccountKey;
use super::ledgers::Ledgers;
use super::lines::Position;

/// The turn of a receiving side, for which it may have to wait. Dropping it leaves the line.
#[derive(Debug, Default)]
pub(crate) struct Turn(Option<Waiting>);

/// A receive that waits in a line.
#[derive(Debug)]
struct Waiting {
    ledgers: Arc<Ledgers>,
    key: AccountKey,
    position: Position,
    /// Number of rounds that it has waited.
    waited: usize,
}

impl Turn {
    /// Waits for the turn of a receive.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        ledgers: &Arc<Ledgers>,
        key: AccountKey,
    ) -> Poll<()> {
        let waiting = match &mut self.0 {
            Some(waiting) => waiting,
            None => {
                let Some(position) = ledgers.lines().join(key) else { return Poll::Ready(()) };
                let ledgers = Arc::clone(ledgers);
                self.0.insert(Waiting { ledgers, key, position, waited: 0 })
            }
        };
        while !waiting.has_turn() {
            waiting.waited += 1;
            // It wakes this task only after tokio has polled its I/O driver.
            ready!(pin!(yield_now()).poll(cx));
        }
        self.0 = None;
        Poll::Ready(())
    }
}

impl Waiting {
    fn has_turn(&self) -> bool {
        self.waited >= self.position.wait
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.ledgers.lines().leave(self.key, self.position, self.has_turn());
    }
}

#[cfg(all(test, not(anchovy_loom)))]
mod tests;
