//! The descriptors that have arrived on an exchange, and the answers to ids. No socket, no clock.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::exchange_error::ExchangeError;
use super::fd_id::FdId;
use super::nonce::Nonce;
use super::receive_error::ReceiveError;
use crate::budget::Charge;

/// Number of expired ids that are distinguished from ids that were taken, as documented at
/// [`ReceiveError::AlreadyTaken`].
const REMEMBERED: usize = 1024;

/// A descriptor that has arrived and was not taken.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) fd: OwnedFd,
    /// The charge to the account of the peer. It is released after the descriptor is closed.
    _charge: Option<Charge>,
    index: u64,
    deadline: Instant,
}

/// The descriptors that arrive in one direction of a connection.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The random number of the other direction, in which this side sends.
    own: Nonce,
    /// The random number of this direction, once the carrier has arrived.
    nonce: Option<Nonce>,
    /// The index of the next descriptor to arrive.
    next: u64,
    /// Descriptors that wait, by index. They arrived in this order, so their deadlines ascend too.
    unclaimed: VecDeque<Arrived>,
    /// The last indices that expired, the oldest first.
    expired: VecDeque<u64>,
    end: Option<End>,
    limit: usize,
    timeout: Duration,
}

/// The reason why no more descriptors arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Eof,
    Failed(ExchangeError),
    Dropped,
}

impl Incoming {
    pub(super) fn new(own: Nonce, limit: usize, timeout: Duration) -> Incoming {
        Incoming {
            own,
            nonce: None,
            next: 0,
            unclaimed: VecDeque::new(),
            expired: VecDeque::new(),
            end: None,
            limit,
            timeout,
        }
    }

    pub(super) fn set_nonce(&mut self, nonce: Nonce) {
        self.nonce = Some(nonce);
    }

    /// Returns whether the id cannot be one of this direction.
    pub(super) fn is_foreign(&self, id: FdId) -> bool {
        id.nonce == self.own || self.nonce.is_some_and(|nonce| nonce != id.nonce)
    }

    /// Adds descriptors that arrived and may wait until `deadline`, and returns their indices.
    ///
    /// If they would exceed the limit, adds nothing and returns an error, with which the caller
    /// [ends](Self::end) the direction.
    pub(super) fn arrive(
        &mut self,
        fds: &mut VecDeque<OwnedFd>,
        charge: &mut Option<Charge>,
        deadline: Instant,
    ) -> Result<Range<u64>, ExchangeError> {
        let (count, limit) = (self.unclaimed.len() + fds.len(), self.limit);
        if count > limit {
            return Err(ExchangeError::TooManyUnclaimed { count, limit });
        }
        let first = self.next;
        for fd in fds.drain(..) {
            let _charge = charge.as_mut().map(|charge| charge.split_off(1));
            self.unclaimed.push_back(Arrived { fd, _charge, index: self.next, deadline });
            self.next += 1;
        }
        Ok(first..self.next)
    }

    /// Takes the descriptor of an id, which is pending if it can still arrive.
    pub(super) fn take(&mut self, id: FdId) -> Poll<Result<Arrived, ReceiveError>> {
        if self.is_foreign(id) {
            return Poll::Ready(Err(ReceiveError::ForeignId { id }));
        }
        if id.index < self.next {
            return Poll::Ready(self.take_arrived(id));
        }
        let (arrived, limit) = (self.next, self.limit);
        if id.index - arrived >= limit as u64 {
            return Poll::Ready(Err(ReceiveError::OutOfRange { id, arrived, limit }));
        }
        Poll::Ready(Err(match self.end {
            None => return Poll::Pending,
            Some(End::Eof) => ReceiveError::EndOfStream { id },
            Some(End::Dropped) => ReceiveError::Closed { id },
            Some(End::Failed(error)) => ReceiveError::StreamFailed { id, error },
        }))
    }

    fn take_arrived(&mut self, id: FdId) -> Result<Arrived, ReceiveError> {
        if let Ok(place) = self.unclaimed.binary_search_by_key(&id.index, |arrived| arrived.index) {
            return Ok(self.unclaimed.remove(place).expect("it was found there"));
        }
        if self.expired.contains(&id.index) {
            return Err(ReceiveError::Expired { id, timeout: self.timeout });
        }
        match self.end {
            Some(End::Failed(error @ ExchangeError::TooManyUnclaimed { .. })) => {
                Err(ReceiveError::StreamFailed { id, error })
            }
            _ => Err(ReceiveError::AlreadyTaken { id }),
        }
    }

    /// Moves expired descriptors to `closed`, and returns the next deadline.
    ///
    /// If no descriptor waits, frees the memory of the table. This function is called at most once in
    /// each timeout, so not every descriptor allocates the table again.
    pub(super) fn expire(&mut self, now: Instant, closed: &mut Vec<Arrived>) -> Option<Instant> {
        while self.unclaimed.front().is_some_and(|arrived| arrived.deadline <= now) {
            let arrived = self.unclaimed.pop_front().expect("the first one");
            if self.expired.len() == REMEMBERED {
                self.expired.pop_front();
            }
            self.expired.push_back(arrived.index);
            closed.push(arrived);
        }
        let next = self.unclaimed.front().map(|arrived| arrived.deadline);
        if next.is_none() {
            self.unclaimed.shrink_to_fit();
        }
        next
    }

    /// Ends the direction. Only the first reason is kept. Returns the descriptors to close: all that wait,
    /// if there were too many.
    #[must_use = "descriptors are closed outside of the lock"]
    pub(super) fn end(&mut self, end: End) -> VecDeque<Arrived> {
        let end = *self.end.get_or_insert(end);
        match end {
            End::Failed(ExchangeError::TooManyUnclaimed { .. }) => mem::take(&mut self.unclaimed),
            _ => VecDeque::new(),
        }
    }

    /// Returns the number of descriptors that wait.
    pub(super) fn unclaimed(&self) -> usize {
        self.unclaimed.len()
    }
}
