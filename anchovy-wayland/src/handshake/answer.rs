//! What a compositor answers, until the answer is complete.

use crate::display_error::DisplayError;
use crate::opcodes::{wl_callback, wl_display};
use crate::registry::Registry;
use crate::registry_error::RegistryError;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireErrorKind;

/// The most that is kept of messages until the answer is complete, in bytes of memory.
///
/// A compositor sends some kilobytes; libwayland's server has room for 4 KiB of them by default, and
/// compositors that raise it for 1 MiB.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 20;

/// The most descriptors that are kept meanwhile, of messages to other objects: as many as libwayland
/// has room for by default.
pub const MAX_HANDSHAKE_FDS: usize = 1024;

/// The answer, message by message.
pub(super) struct RegistryAnswer {
    pub(super) registry: Registry,
    callback: ObjectId,
    /// What is kept of messages.
    bytes: usize,
    fds: usize,
}

/// What a message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of the answer.
    Ours,
    /// The end of the answer.
    Done,
    /// Something else.
    Other,
}

impl RegistryAnswer {
    pub(super) fn new(registry: ObjectId, callback: ObjectId) -> RegistryAnswer {
        RegistryAnswer { registry: Registry::new(registry), callback, bytes: 0, fds: 0 }
    }

    pub(super) fn take(&mut self, message: &Message) -> Result<Step, RegistryError> {
        self.bytes += size_of::<(bool, Message)>() + message.len();
        self.fds += message.fds().len();
        if self.bytes > MAX_HANDSHAKE_BYTES {
            return Err(RegistryError::TooManyBytes { limit: MAX_HANDSHAKE_BYTES });
        }
        if self.fds > MAX_HANDSHAKE_FDS {
            return Err(RegistryError::TooManyFds { limit: MAX_HANDSHAKE_FDS });
        }

        if let Some(error) = DisplayError::read(message)? {
            return Err(error.into());
        }
        if self.registry.update(message)?.is_some() {
            return Ok(Step::Ours);
        }
        match (message.object(), message.opcode()) {
            (object, wl_callback::DONE) if object == self.callback => {
                message.read_plain(|arguments| arguments.uint())?;
                Ok(Step::Done)
            }
            (object, opcode)
                if object == self.callback
                    || (object == ObjectId::DISPLAY && opcode != wl_display::DELETE_ID) =>
            {
                Err(message.error(WireErrorKind::UnknownOpcode).into())
            }
            _ => Ok(Step::Other),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::{guarded, memfd};

    use super::*;

    fn id(number: u32) -> ObjectId {
        ObjectId::new(number).expect("not 0")
    }

    fn answer() -> RegistryAnswer {
        RegistryAnswer::new(id(2), id(3))
    }

    #[test]
    fn what_is_kept_has_as_many_bytes_as_it_may_and_no_more() {
        let message = Message::builder(id(9), 0).array(&[0; 1000]).build().expect("short");
        let cost = size_of::<(bool, Message)>() + 1012;
        let mut answer = answer();
        for _ in 0..MAX_HANDSHAKE_BYTES / cost {
            assert_eq!(answer.take(&message).expect("room"), Step::Other);
        }
        let error = answer.take(&message).expect_err("no room");
        assert!(matches!(error, RegistryError::TooManyBytes { limit: MAX_HANDSHAKE_BYTES }));
    }

    #[test]
    fn the_smallest_messages_stay_within_the_memory_limit() {
        let message = Message::builder(id(9), 0).build().expect("short");
        let mut answer = answer();
        let kept = (0..).take_while(|_| answer.take(&message).is_ok()).count();
        assert!(kept * size_of::<(bool, Message)>() <= MAX_HANDSHAKE_BYTES);
    }

    #[test]
    fn what_is_kept_has_as_many_descriptors_as_it_may_and_no_more() {
        guarded(|| {
            let mut message = Message::builder(id(9), 0);
            for _ in 0..32 {
                message = message.fd(memfd());
            }
            let message = message.build().expect("short");
            let mut answer = answer();
            for _ in 0..MAX_HANDSHAKE_FDS / 32 {
                assert_eq!(answer.take(&message).expect("room"), Step::Other);
            }
            let error = answer.take(&message).expect_err("no room");
            assert!(matches!(error, RegistryError::TooManyFds { limit: 1024 }), "{error:?}");
        });
    }
}
