//! Messages that arrived while a call waited for its reply.

use std::collections::VecDeque;

use anchovy::{Account, Charge, Resource};

use crate::error::kept_limit::KeptLimit;
use crate::limits::Limits;
use crate::message::content::Message;

/// Messages that a call has read and that are not received yet, in order.
#[derive(Debug, Default)]
pub(super) struct KeptMessages {
    messages: VecDeque<Message>,
    bytes: usize,
    fds: usize,
    /// The charge for the memory of the messages, if the peer has an account.
    charge: Option<Charge>,
}

impl KeptMessages {
    /// Adds a message at the end.
    ///
    /// The message is copied, because it shares the memory of a read, which may be far larger.
    pub(super) fn push(&mut self, mut message: Message, account: Option<&Account>) {
        message.detach();
        self.bytes += message.len();
        self.fds += message.fds().len();
        self.messages.push_back(message);
        if let (None, Some(account)) = (&self.charge, account) {
            self.charge = Some(account.empty_charge(Resource::Bytes));
        }
        self.charge_missing();
    }

    /// Takes the first message.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        self.fds -= message.fds().len();
        let memory = self.memory();
        if let Some(charge) = &mut self.charge {
            charge.shrink_to(memory);
        }
        Some(message)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn into_messages(self) -> VecDeque<Message> {
        self.messages
    }

    /// Returns the limit that allows no further message.
    pub(super) fn reached_limit(&mut self, limits: &Limits) -> Option<KeptLimit> {
        let (count, bytes, fds) = (self.messages.len(), self.bytes, self.fds);
        if count >= limits.max_kept_messages {
            return Some(KeptLimit::Messages { count, limit: limits.max_kept_messages });
        }
        if bytes >= limits.max_kept_bytes {
            return Some(KeptLimit::Bytes { count: bytes, limit: limits.max_kept_bytes });
        }
        if fds >= limits.max_kept_fds {
            return Some(KeptLimit::Fds { count: fds, limit: limits.max_kept_fds });
        }
        let missing = self.charge_missing();
        (missing > 0).then(|| KeptLimit::Budget { bytes: self.memory(), missing })
    }

    /// Charges the memory that is not charged yet, if the account has room for it. Returns the number of
    /// bytes that are still not charged.
    fn charge_missing(&mut self) -> usize {
        let memory = self.memory();
        let Some(charge) = &mut self.charge else { return 0 };
        let missing = memory.saturating_sub(charge.amount());
        if missing == 0 || charge.try_grow(missing) { 0 } else { missing }
    }

    fn memory(&self) -> usize {
        self.bytes + self.messages.len() * Message::MEMORY
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_kept_message_counts_its_bytes_and_its_own_memory() {
        let call =
            Message::method_call("/", "M").serial(NonZeroU32::MIN).build().expect("a message");
        let length = call.to_bytes().expect("a serial").len();
        let mut kept = KeptMessages::default();
        kept.push(call, None);
        let memory = kept.memory() - length;
        let size = size_of::<Message>();
        assert!(memory >= size && memory < 2 * size, "{memory} for a message of {size}");
    }

    #[test]
    fn a_kept_message_does_not_keep_the_memory_of_its_read() {
        let call = Message::method_call("/", "M").serial(NonZeroU32::MIN).body("ay", vec![0; 5]);
        let mut read = call.build().expect("a message").to_bytes().expect("a serial").to_vec();
        let length = read.len();
        read.resize(1 << 20, 0);
        let read = Bytes::from(read);
        let message = Message::from_bytes(read.slice(..length), Vec::new()).expect("a message");
        assert!(!read.is_unique());
        let mut kept = KeptMessages::default();
        kept.push(message, None);
        assert!(read.is_unique());
        let message = kept.pop().expect("a message");
        assert_eq!(message.to_bytes().expect("a serial"), read[..length]);
        assert_eq!((kept.bytes, kept.fds, kept.is_empty()), (0, 0, true));
    }
}
