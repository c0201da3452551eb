//! The state that a stream and its handles share.
//!
//! There is one lock. No system call is made and no task is woken while it is held: the descriptors to
//! close and the wakers are moved out first.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::exchange_error::ExchangeError;
use super::fd_id::FdId;
use super::incoming::{End, Incoming};
use super::nonce::Nonce;
use super::receive_error::ReceiveError;
use super::send_error::{SendError, SendErrorKind};
use crate::budget::Charge;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(super) struct Shared {
    /// The random number of the direction in which this side sends.
    nonce: Nonce,
    limits: Limits,
    /// Number of descriptors that are queued and not yet sent. Read without the lock, so that a write
    /// of bytes alone does not lock.
    pending: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_queued: usize,
    pub(super) max_unclaimed: usize,
    pub(super) timeout: Duration,
}

#[derive(Debug)]
struct State {
    incoming: Incoming,
    /// Calls that wait for a descriptor to arrive.
    waiters: Vec<Waiter>,
    next_ticket: u64,
    /// Whether a task waits for the next deadline.
    expiring: bool,
    /// The last task that was started for that.
    expiry: Option<AbortHandle>,
    /// Descriptors that are not yet in the write queue of the stream.
    queued: VecDeque<OwnedFd>,
    /// The index of the next descriptor to be sent.
    next: u64,
    /// Whether the write side is closed.
    closed: bool,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    id: FdId,
    waker: Waker,
}

impl Shared {
    pub(super) fn new(nonce: Nonce, limits: Limits) -> Shared {
        let state = State {
            incoming: Incoming::new(nonce, limits.max_unclaimed, limits.timeout),
            waiters: Vec::new(),
            next_ticket: 0,
            expiring: false,
            expiry: None,
            queued: VecDeque::new(),
            next: 0,
            closed: false,
        };
        Shared { nonce, limits, pending: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// Returns the number of descriptors that are queued and not yet sent.
    #[inline]
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    /// Returns the number of descriptors that have arrived and wait to be taken.
    pub(super) fn unclaimed(&self) -> usize {
        self.state().incoming.unclaimed()
    }

    /// Queues a descriptor to be sent with the next written byte.
    pub(super) fn queue(&self, fd: OwnedFd) -> Result<FdId, SendError> {
        let mut state = self.state();
        let (count, limit) = (self.pending(), self.limits.max_queued);
        let refused = match () {
            () if state.closed => Some(SendErrorKind::Closed),
            () if count >= limit => Some(SendErrorKind::TooManyQueued { count, limit }),
            () => None,
        };
        if let Some(kind) = refused {
            return Err(SendError { unsent: Some(fd), kind });
        }
        let id = FdId { index: state.next, nonce: self.nonce };
        state.next += 1;
        state.queued.push_back(fd);
        self.pending.fetch_add(1, Ordering::Release);
        Ok(id)
    }

    /// Moves up to `count` descriptors to the back of `queue`.
    pub(super) fn take_queued(&self, count: usize, queue: &mut VecDeque<OwnedFd>) {
        let mut state = self.state();
        let count = count.min(state.queued.len());
        queue.extend(state.queued.drain(..count));
    }

    /// Records that `count` descriptors were sent.
    pub(super) fn sent(&self, count: usize) {
        self.pending.fetch_sub(count, Ordering::Release);
    }

    /// Refuses descriptors from now on, and closes those that were not sent.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let queued = mem::take(&mut state.queued);
        self.pending.store(0, Ordering::Release);
        drop(state);
        drop(queued);
    }

    /// Stores the random number of the peer's direction. Wakes calls with ids of other directions.
    pub(super) fn set_peer(&self, nonce: Nonce, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        let State { incoming, waiters, .. } = &mut *state;
        incoming.set_nonce(nonce);
        remove(waiters, |id| incoming.is_foreign(id), wakers);
        drop(state);
        wake(wakers);
    }

    /// Keeps descriptors that arrived until they are taken or expire. If no task [expires](Self::expire)
    /// descriptors yet, returns the deadline with which the caller has to start one. If there are too many
    /// descriptors, closes all and fails.
    pub(super) fn arrive(
        &self,
        fds: &mut VecDeque<OwnedFd>,
        mut charge: Option<Charge>,
        wakers: &mut Vec<Waker>,
    ) -> Result<Option<Instant>, ExchangeError> {
        let deadline = deadline(Instant::now(), self.limits.timeout);
        let mut state = self.state();
        let State { incoming, waiters, expiring, .. } = &mut *state;
        match incoming.arrive(fds, &mut charge, deadline) {
            Ok(indices) => {
                remove(waiters, |id| indices.contains(&id.index), wakers);
                let start = !mem::replace(expiring, true);
                drop(state);
                wake(wakers);
                Ok(start.then_some(deadline))
            }
            Err(error) => {
                drop(state);
                fds.clear();
                self.end(End::Failed(error), wakers);
                Err(error)
            }
        }
    }

    /// Records that no more descriptors arrive, and wakes all calls that wait.
    pub(super) fn end(&self, end: End, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        let closed = state.incoming.end(end);
        remove(&mut state.waiters, |_| true, wakers);
        drop(state);
        drop(closed);
        wake(wakers);
    }

    /// Keeps the handle of the task that [expires](Self::expire) descriptors, to stop it when this state is
    /// dropped. It would otherwise sleep, and use memory, until its deadline.
    pub(super) fn set_expiry(&self, task: AbortHandle) {
        let former = self.state().expiry.replace(task);
        drop(former);
    }

    /// Closes expired descriptors, and returns the next deadline, if any descriptor waits.
    pub(super) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut closed = Vec::new();
        let mut state = self.state();
        let next = state.incoming.expire(now, &mut closed);
        state.expiring = next.is_some();
        drop(state);
        drop(closed);
        next
    }

    /// Takes the descriptor of an id, or waits for it to arrive. `ticket` identifies the
    /// call that waits.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        id: FdId,
        ticket: &mut Option<u64>,
    ) -> Poll<Result<OwnedFd, ReceiveError>> {
        // To clone or drop a waker can run code of another task, which may need the lock.
        let mut waker: Option<Waker> = None;
        loop {
            let mut state = self.state();
            let State { incoming, waiters, next_ticket, .. } = &mut *state;
            if let Poll::Ready(outcome) = incoming.take(id) {
                let waiter = ticket.take().and_then(|ticket| remove_ticket(waiters, ticket));
                drop(state);
                drop(waiter);
                return Poll::Ready(outcome.map(|arrived| arrived.fd));
            }
            let ticket = *ticket.get_or_insert_with(|| {
                *next_ticket += 1;
                *next_ticket
            });
            let waiter = waiters.iter_mut().find(|waiter| waiter.ticket == ticket);
            match (waiter, waker.take()) {
                (Some(waiter), _) if waiter.waker.will_wake(cx.waker()) => return Poll::Pending,
                (Some(waiter), Some(waker)) => {
                    let old = mem::replace(&mut waiter.waker, waker);
                    drop(state);
                    drop(old);
                    return Poll::Pending;
                }
                (None, Some(waker)) => {
                    waiters.push(Waiter { ticket, id, waker });
                    return Poll::Pending;
                }
                (_, None) => {}
            }
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// Removes a call that no longer waits.
    pub(super) fn cancel(&self, ticket: u64) {
        let mut state = self.state();
        let waiter = remove_ticket(&mut state.waiters, ticket);
        drop(state);
        drop(waiter);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.state().expiry.take() {
            task.abort();
        }
    }
}

/// Moves the wakers of some calls to `wakers`.
fn remove(waiters: &mut Vec<Waiter>, is_meant: impl Fn(FdId) -> bool, wakers: &mut Vec<Waker>) {
    let mut place = 0;
    while let Some(waiter) = waiters.get(place) {
        if is_meant(waiter.id) {
            wakers.push(waiters.swap_remove(place).waker);
        } else {
            place += 1;
        }
    }
}

fn remove_ticket(waiters: &mut Vec<Waiter>, ticket: u64) -> Option<Waiter> {
    let place = waiters.iter().position(|waiter| waiter.ticket == ticket)?;
    Some(waiters.swap_remove(place))
}

fn wake(wakers: &mut Vec<Waker>) {
    wakers.drain(..).for_each(Waker::wake);
}

/// Returns the time after `timeout`, or in 30 years if the clock cannot represent it.
fn deadline(now: Instant, timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now.checked_add(timeout).unwrap_or_else(|| now + FAR)
}
