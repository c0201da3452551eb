//! Lines of accounts: after a large descriptor set, the receives of its account wait for other tasks.
//!
//! Opening 253 received descriptors and closing them takes a tenth of a millisecond. If the peers of one
//! account could have such a set received on each of their connections before any other task runs, all
//! other peers would wait for that.
//!
//! So after a large set, the receives of its account form a *line*. The first one has its turn after a number
//! of *rounds* that depends on the size of the set, and each further one a round later. In a round, tokio
//! runs all tasks that are ready, and then its I/O driver. Other accounts do not wait. A round in which no
//! other task is ready takes about a microsecond.
//!
//! Each receive counts its rounds itself ([`Turn`](super::turn::Turn)), so none of them waits for another one
//! that is not polled any more. When a receive has its turn, the rounds of those before it are over too.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::key::AccountKey;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Number of descriptors in one set for which the next receive waits one round. It is more than the
/// messages of D-Bus and Wayland have.
const FDS_PER_ROUND: usize = 64;

/// The longest wait of one receive. Every round costs as many polls as the line is long.
const MOST_ROUNDS: usize = 256;

/// The lines of all accounts.
#[derive(Debug)]
pub(super) struct Lines {
    by_account: Mutex<HashMap<AccountKey, Line>>,
    /// Number of lines. Usually there is none, and no receive takes the lock.
    count: AtomicUsize,
}

/// The line of one account.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Number of rounds since the line began, including those that it still takes.
    rounds: usize,
    /// Number of rounds that are over.
    over: usize,
    /// Whether the last rounds are those of a set, and no receive has joined since.
    is_owed: bool,
    /// Number of receives in the line.
    receives: usize,
}

/// The position of a receive in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Number of the round in which the receive has its turn.
    round: usize,
    /// Number of rounds until then.
    pub(super) wait: usize,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines { by_account: Mutex::new(HashMap::new()), count: AtomicUsize::new(0) }
    }

    /// Records a descriptor set that an account has received. A large one adds rounds to the line.
    #[inline]
    pub(super) fn note_set(&self, key: AccountKey, fds: usize) {
        if fds >= FDS_PER_ROUND {
            self.owe(key, fds / FDS_PER_ROUND);
        }
    }

    #[cold]
    fn owe(&self, key: AccountKey, rounds: usize) {
        self.change(|lines| {
            // Before the table grows, lines without a receive are forgotten.
            if lines.len() == lines.capacity() {
                lines.retain(|_, line| line.receives > 0);
            }
            let line = lines.entry(key).or_default();
            line.rounds += rounds.min(MOST_ROUNDS.saturating_sub(line.left()));
            line.is_owed = true;
        });
    }

    /// Adds a receive to the line of its account. Returns `None` if it has its turn at once.
    pub(super) fn join(&self, key: AccountKey) -> Option<Position> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.change(|lines| {
            let line = lines.get_mut(&key).filter(|line| line.left() > 0)?;
            if !std::mem::take(&mut line.is_owed) {
                line.rounds += 1;
            }
            line.receives += 1;
            Some(Position { round: line.rounds, wait: line.left().min(MOST_ROUNDS) })
        })
    }

    /// Removes a receive from a line. If it has its turn, its round and those before it are over.
    pub(super) fn leave(&self, key: AccountKey, position: Position, has_turn: bool) {
        self.change(|lines| {
            let Some(line) = lines.get_mut(&key) else { return };
            line.receives -= 1;
            if has_turn {
                line.over = line.over.max(position.round);
            }
            if line.receives == 0 && line.left() == 0 {
                lines.remove(&key);
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<AccountKey, Line>) -> T) -> T {
        // Ignores poisoning: the numbers are consistent after each change.
        let mut lines = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        let output = change(&mut lines);
        self.count.store(lines.len(), Ordering::Relaxed);
        output
    }

    /// Returns the number of lines.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lines = self.by_account.lock().unwrap().len();
        assert_eq!(self.count.load(Ordering::Relaxed), lines);
        lines
    }
}

impl Line {
    /// Returns the number of rounds until the line is empty.
    fn left(&self) -> usize {
        self.rounds - self.over
    }
}

#[cfg(all(test, anchovy_loom))]
mod models;
