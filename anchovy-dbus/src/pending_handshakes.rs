//! A limit on the number of pending handshakes.
//!
//! A client in the handshake needs descriptors and time. At the limit, a client whose uid has fewer
//! pending handshakes than another uid takes the slot of the oldest handshake of that uid.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::auth::error::HandshakeError;
use crate::handshake_slots::{HandshakeSlots, Slot, Taken};

/// The pending handshakes of all clients of a listener.
#[derive(Debug)]
pub(crate) struct PendingHandshakes(Mutex<HandshakeSlots<Displacer>>);

/// Ends a handshake when it is dropped.
type Displacer = oneshot::Sender<()>;

impl PendingHandshakes {
    /// Creates a limit of `most` handshakes.
    pub(crate) fn new(most: usize) -> Arc<PendingHandshakes> {
        Arc::new(PendingHandshakes(Mutex::new(HandshakeSlots::new(most))))
    }

    /// Takes a slot for the handshake of a client of this uid. Returns `None` if there is no slot.
    pub(crate) fn begin(self: &Arc<PendingHandshakes>, uid: u32) -> Option<PendingHandshake> {
        let (displacer, displaced) = oneshot::channel();
        let taken = self.lock().take(uid, displacer);
        let (Taken::Free(slot) | Taken::From(_, slot)) = taken else { return None };
        Some(PendingHandshake { all: Arc::clone(self), slot, displaced })
    }

    fn lock(&self) -> MutexGuard<'_, HandshakeSlots<Displacer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot for a pending handshake, which is released on drop.
#[derive(Debug)]
#[must_use = "dropping it ends the handshake"]
pub(crate) struct PendingHandshake {
    all: Arc<PendingHandshakes>,
    slot: Slot,
    displaced: oneshot::Receiver<()>,
}

impl PendingHandshake {
    /// Waits until another client has taken the slot. The handshake has failed then.
    pub(crate) fn poll_displaced(&mut self, cx: &mut Context<'_>) -> Poll<HandshakeError> {
        // Nothing is ever sent.
        let _ = ready!(Pin::new(&mut self.displaced).poll(cx));
        Poll::Ready(HandshakeError::Displaced { limit: self.all.lock().most() })
    }
}

impl Drop for PendingHandshake {
    fn drop(&mut self) {
        self.all.lock().release(self.slot);
    }
}
