//! Messages that arrived while the connection waited for a reply.

use std::collections::VecDeque;

use crate::limits::Limits;
use crate::wire::message::Message;

/// Number of messages for which memory stays allocated: a typical roundtrip keeps a few.
const RETAINED: usize = 64;

/// Messages that the caller receives before later ones, with limits.
#[derive(Debug)]
pub(crate) struct Kept {
    messages: VecDeque<Message>,
    /// Memory of the messages, in bytes.
    bytes: usize,
    fds: usize,
    max_messages: usize,
    max_bytes: usize,
    max_fds: usize,
}

/// The limit that the kept messages exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeptBound {
    Messages(usize),
    Bytes(usize),
    Fds(usize),
}

impl Kept {
    pub(crate) fn new(limits: &Limits) -> Kept {
        Kept {
            messages: VecDeque::new(),
            bytes: 0,
            fds: 0,
            max_messages: limits.max_kept_messages,
            max_bytes: limits.max_kept_bytes,
            max_fds: limits.max_kept_fds,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message, even if it exceeds a limit; see [`check`](Self::check).
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += memory(&message);
        self.fds += message.fds().len();
        self.messages.push_back(message);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= memory(&message);
        self.fds -= message.fds().len();
        if self.messages.is_empty() && self.messages.capacity() > RETAINED {
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// Fails if the messages exceed a limit. The caller checks after each message, so the last message alone
    /// exceeds it.
    pub(crate) fn check(&self) -> Result<(), KeptBound> {
        if self.messages.len() > self.max_messages {
            Err(KeptBound::Messages(self.max_messages))
        } else if self.bytes > self.max_bytes {
            Err(KeptBound::Bytes(self.max_bytes))
        } else if self.fds > self.max_fds {
            Err(KeptBound::Fds(self.max_fds))
        } else {
            Ok(())
        }
    }

    pub(crate) fn into_messages(self) -> VecDeque<Message> {
        self.messages
    }
}

fn memory(message: &Message) -> usize {
    size_of::<Message>() + message.len()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::{guarded, memfd};

    use super::*;
    use crate::wire::object_id::ObjectId;

    fn message(bytes: usize) -> Message {
        Message::builder(ObjectId::DISPLAY, 7).array(&vec![0; bytes]).build().expect("short")
    }

    fn kept(limits: Limits) -> Kept {
        Kept::new(&limits)
    }

    #[test]
    fn each_limit_is_exceeded_by_at_most_one_message() {
        guarded(|| {
            let with_fds = || {
                let message = Message::builder(ObjectId::DISPLAY, 7).fd(memfd()).fd(memfd());
                message.build().expect("short")
            };
            let memory = size_of::<Message>() + 12 + 100;
            for (limits, make, bound) in [
                (
                    Limits { max_kept_messages: 3, ..Limits::client() },
                    &(|| message(0)) as &dyn Fn() -> Message,
                    KeptBound::Messages(3),
                ),
                (
                    Limits { max_kept_bytes: 3 * memory, ..Limits::client() },
                    &|| message(100),
                    KeptBound::Bytes(3 * memory),
                ),
                (Limits { max_kept_fds: 6, ..Limits::client() }, &with_fds, KeptBound::Fds(6)),
            ] {
                let mut kept = kept(limits);
                for _ in 0..3 {
                    kept.push(make());
                    assert_eq!(kept.check(), Ok(()), "{bound:?}");
                }
                kept.push(make());
                assert_eq!(kept.check(), Err(bound));
                assert!(kept.pop().is_some());
                assert_eq!(kept.check(), Ok(()), "{bound:?}");
            }
        });
    }

    #[test]
    fn counters_and_memory_are_released_when_all_messages_are_taken() {
        let mut kept = kept(Limits::client());
        (0..100).for_each(|_| kept.push(message(100)));
        while kept.pop().is_some() {}
        assert_eq!((kept.bytes, kept.fds, kept.messages.capacity()), (0, 0, 0));
        kept.push(message(100));
        assert!(kept.pop().is_some() && kept.messages.capacity() > 0, "a few cost no allocation");
    }
}
