//! Taking descriptors off the front of a queue.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Takes so many descriptors off the front; those that are not asked for are closed.
#[inline]
pub(super) fn take(fds: &mut VecDeque<OwnedFd>, count: usize) -> Taken<'_> {
    Taken { left: count.min(fds.len()), fds }
}

/// What [`take`] returns; a `Drain` does more than a few descriptors are worth.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    fds: &'a mut VecDeque<OwnedFd>,
    left: usize,
}

impl Iterator for Taken<'_> {
    type Item = OwnedFd;

    #[inline]
    fn next(&mut self) -> Option<OwnedFd> {
        self.left = self.left.checked_sub(1)?;
        self.fds.pop_front()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Taken<'_> {}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// Takes so many off the first of these counts.
#[inline]
pub(super) fn claim<'a>(counts: impl Iterator<Item = &'a mut usize>, mut left: usize) {
    for count in counts {
        if left == 0 {
            return;
        }
        let taken = left.min(*count);
        *count -= taken;
        left -= taken;
    }
}
