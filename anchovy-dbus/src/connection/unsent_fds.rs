//! The descriptors of messages that have not been sent.

use std::collections::VecDeque;

use anchovy::Charge;

/// Number and charge of the descriptors that have not been sent, message by message.
///
/// It allocates memory with the first descriptor, so that it takes little of a connection that sends none.
#[derive(Debug, Default)]
pub(super) struct UnsentFds(Option<Box<Messages>>);

#[derive(Debug, Default)]
struct Messages {
    queue: VecDeque<(usize, Option<Charge>)>,
    /// Number of the descriptors of all messages in the queue.
    count: usize,
}

impl UnsentFds {
    /// Adds the descriptors of a message, of which there is at least one.
    pub(super) fn push(&mut self, count: usize, charge: Option<Charge>) {
        let messages = self.0.get_or_insert_default();
        messages.queue.push_back((count, charge));
        messages.count += count;
    }

    /// Removes the first message, and returns its charge.
    pub(super) fn pop(&mut self) -> Option<Charge> {
        self.0.as_mut()?.pop()
    }

    /// Ends the charges of messages until `unsent` descriptors are left. A message of which some
    /// descriptors are left stays charged.
    #[inline]
    pub(super) fn release_until(&mut self, unsent: usize) {
        if let Some(messages) = &mut self.0 {
            messages.release_until(unsent);
        }
    }
}

impl Messages {
    fn pop(&mut self) -> Option<Charge> {
        let (count, charge) = self.queue.pop_front()?;
        self.count -= count;
        charge
    }

    fn release_until(&mut self, unsent: usize) {
        while let Some((count, _)) = self.queue.front() {
            if self.count - count < unsent {
                break;
            }
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_until_all_its_descriptors_are_sent() {
        let messages = |unsent: &UnsentFds| unsent.0.as_ref().map_or(0, |all| all.queue.len());
        let mut unsent = UnsentFds::default();
        // Messages that were sent or taken back do not count any more.
        for _ in 0..2 {
            unsent.push(2, None);
            unsent.push(3, None);
            for (left, expected) in [(5, 2), (4, 2), (3, 1), (1, 1), (0, 0)] {
                unsent.release_until(left);
                assert_eq!(messages(&unsent), expected, "{left} descriptors are left");
            }
            unsent.push(4, None);
            unsent.pop();
            assert_eq!(messages(&unsent), 0);
        }
    }
}
