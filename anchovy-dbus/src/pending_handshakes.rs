//! A bound on the handshakes that are not over.
//!
//! A client that does not finish its handshake costs descriptors and time, so only so many may be in
//! their handshake at once. Once they are, a client of a uid that has fewer of them than another takes
//! the place of the oldest of that one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::auth::error::HandshakeError;
use crate::handshake_slots::{HandshakeSlots, Slot, Taken};

/// Handshakes that are not over, of all clients of a listener.
#[derive(Debug)]
pub(crate) struct PendingHandshakes(Mutex<HandshakeSlots<Displacer>>);

/// Tells a handshake that its slot is gone when it is dropped.
type Displacer = oneshot::Sender<()>;

impl PendingHandshakes {
    /// At most `most` handshakes at once.
    pub(crate) fn new(most: usize) -> Arc<PendingHandshakes> {
        Arc::new(PendingHandshakes(Mutex::new(HandshakeSlots::new(most))))
    }

    /// Begins the handshake of a client of this uid. Returns `None` if there is no slot for it.
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

/// A handshake that is not over, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the handshake"]
pub(crate) struct PendingHandshake {
    all: Arc<PendingHandshakes>,
    slot: Slot,
    displaced: oneshot::Receiver<()>,
}

impl PendingHandshake {
    /// Waits until another client has taken the place of this one; the handshake is over then.
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
