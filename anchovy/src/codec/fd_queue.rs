//! Taking descriptors off the front of a queue.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Takes `count` descriptors off the front.
#[inline]
pub(super) fn take(fds: &mut VecDeque<OwnedFd>, count: usize) -> TakenFds<'_> {
    TakenFds { left: count.min(fds.len()), fds }
}

/// The descriptors of one frame, in order; see [`ReceivedFds::take`](super::ReceivedFds::take).
///
/// Descriptors that the iterator has not returned are closed when it is dropped.
// A `Drain` of the queue costs more than a few descriptors do.
#[derive(Debug)]
pub struct TakenFds<'a> {
    fds: &'a mut VecDeque<OwnedFd>,
    left: usize,
}

impl TakenFds<'_> {
    /// Collects the descriptors into a vector, which allocates only if there are any.
    #[inline]
    #[must_use = "the descriptors are closed otherwise"]
    pub fn into_vec(self) -> Vec<OwnedFd> {
        // Most frames have none. A call of `collect` would write the vector to memory, from where it
        // cannot be read at once: 4 ns of the 36 ns that a small frame takes.
        if self.left == 0 { Vec::new() } else { self.collect() }
    }
}

impl Iterator for TakenFds<'_> {
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

impl ExactSizeIterator for TakenFds<'_> {}

impl Drop for TakenFds<'_> {
    #[inline]
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// Subtracts `left` in total from these counts, from the first on.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_descriptors_know_how_many_are_left() {
        let file = || std::fs::File::open("/dev/null").expect("a file").into();
        let mut queue: VecDeque<OwnedFd> = (0..3).map(|_| file()).collect();
        let mut taken = take(&mut queue, 2);
        assert_eq!(taken.len(), 2);
        taken.next().expect("a descriptor");
        assert_eq!((taken.len(), taken.size_hint()), (1, (1, Some(1))));
    }
}
