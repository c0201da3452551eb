//! What was done so far.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) listeners: Counter,
    pub(crate) connections: Counter,
    pub(crate) messages: Counter,
    /// Futures that were dropped.
    pub(crate) canceled: Counter,
    /// Processes that were killed.
    pub(crate) killed: Counter,
    /// Descriptors that were created and sent, or given to a send that failed.
    pub(crate) sent: Counter,
    /// Descriptors that came back.
    pub(crate) returned: Counter,
    /// Descriptors on connections that were ended early, and that did not come back.
    pub(crate) ended: Counter,
    /// Descriptors of which all copies are closed.
    pub(crate) closed: Counter,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections of {} listeners, {} messages, {} canceled, {} killed; descriptors: {} \
             sent, {} returned, {} on ended connections, {} closed",
            self.connections.get(),
            self.listeners.get(),
            self.messages.get(),
            self.canceled.get(),
            self.killed.get(),
            self.sent.get(),
            self.returned.get(),
            self.ended.get(),
            self.closed.get(),
        )
    }
}
