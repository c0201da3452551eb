//! A message that is being written.

use std::fmt;
use std::os::fd::OwnedFd;

use bytes::{BufMut, BytesMut};

use super::message::FEW;
use super::{Body, Fixed, HEADER, LONGEST, Message, ObjectId};
use crate::error::{WireError, WireFault};

/// A message that is being written, argument by argument.
///
/// What is wrong with one is told at the [end](Self::finish).
#[derive(Debug)]
#[must_use = "a message is made by `finish`"]
pub struct MessageBuilder {
    object: ObjectId,
    opcode: u16,
    arguments: Written,
    /// Bytes of arguments that are not written: with them, it is too long.
    left_out: usize,
    fds: Vec<OwnedFd>,
    /// The first.
    fault: Option<WireFault>,
}

impl MessageBuilder {
    #[inline]
    pub(super) fn new(object: ObjectId, opcode: u16) -> MessageBuilder {
        let (arguments, fds) = (Written::default(), Vec::new());
        MessageBuilder { object, opcode, arguments, left_out: 0, fds, fault: None }
    }

    /// An `int`.
    #[inline]
    pub fn int(self, number: i32) -> Self {
        self.uint(number as u32)
    }

    /// A `uint`.
    #[inline]
    pub fn uint(mut self, number: u32) -> Self {
        self.arguments.put(&number.to_ne_bytes());
        self
    }

    /// A `fixed`.
    #[inline]
    pub fn fixed(self, number: Fixed) -> Self {
        self.int(number.to_bits())
    }

    /// An `object`; none is null, which an argument has to allow.
    #[inline]
    pub fn object(self, object: impl Into<Option<ObjectId>>) -> Self {
        self.uint(object.into().map_or(0, ObjectId::get))
    }

    /// A `new_id` of an interface that the protocol names.
    #[inline]
    pub fn new_id(self, id: ObjectId) -> Self {
        self.uint(id.get())
    }

    /// A `new_id` of an interface that it does not name: `wl_registry.bind`.
    pub fn untyped_new_id(self, interface: &str, version: u32, id: ObjectId) -> Self {
        self.string(interface).uint(version).new_id(id)
    }

    /// A `string`, which ends where a NUL is: there must be none in it. The protocol wants UTF-8.
    pub fn string(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        if text.contains(&0) {
            self.fault.get_or_insert(WireFault::StringWithNul);
        }
        self.sized(text, true);
        self
    }

    /// A `string` that is null, which an argument has to allow.
    pub fn null_string(self) -> Self {
        self.uint(0)
    }

    /// An `array`.
    pub fn array(mut self, bytes: &[u8]) -> Self {
        self.sized(bytes, false);
        self
    }

    /// An `fd`.
    #[inline]
    pub fn fd(mut self, fd: OwnedFd) -> Self {
        self.fds.push(fd);
        self
    }

    fn sized(&mut self, bytes: &[u8], nul: bool) {
        let length = bytes.len() + usize::from(nul);
        let padded = length.next_multiple_of(4);
        if length > LONGEST {
            self.left_out = self.left_out.saturating_add(4 + padded);
            return;
        }
        self.arguments.put(&(length as u32).to_ne_bytes());
        self.arguments.put(bytes);
        self.arguments.put(&[0; 4][..padded - bytes.len()]);
    }

    /// The message.
    ///
    /// # Errors
    ///
    /// [`BuildError`], with the descriptors: a string had a NUL in it; the message is longer than a
    /// header can tell (65532 bytes). What a connection sends is checked against its own
    /// [limit](crate::Limits::max_message_bytes) when it is sent.
    #[inline]
    pub fn finish(self) -> Result<Message, BuildError> {
        let MessageBuilder { object, opcode, arguments, left_out, fds, fault } = self;
        let length = (HEADER + arguments.len()).saturating_add(left_out);
        let too_long = WireFault::TooLong { length, limit: LONGEST };
        match fault.or((length > LONGEST).then_some(too_long)) {
            None => Ok(Message::received(object, opcode, arguments.finish(), fds)),
            Some(fault) => {
                let error = WireError { object: object.get(), opcode, fault };
                Err(BuildError { error, fds })
            }
        }
    }
}

/// Arguments that are written: in place, as long as they are few.
#[derive(Debug, Default)]
struct Written {
    few: [u8; FEW],
    used: usize,
    /// All of them, once they are more.
    more: BytesMut,
}

impl Written {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.few.get_mut(self.used..self.used + bytes.len()) {
            Some(room) if self.more.is_empty() => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.put_more(bytes),
        }
    }

    fn put_more(&mut self, bytes: &[u8]) {
        if self.more.is_empty() {
            self.more.reserve(self.used + bytes.len());
            self.more.put_slice(&self.few[..self.used]);
        }
        self.more.put_slice(bytes);
    }

    #[inline]
    fn len(&self) -> usize {
        self.used.max(self.more.len())
    }

    #[inline]
    fn finish(self) -> Body {
        if self.more.is_empty() {
            Body::Few { bytes: self.few, used: self.used as u8 }
        } else {
            Body::Many(self.more.freeze())
        }
    }
}

/// A message that cannot be, and its descriptors.
#[derive(Debug)]
pub struct BuildError {
    /// Why.
    pub error: WireError,
    /// The descriptors that it was to have.
    pub fds: Vec<OwnedFd>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for std::io::Error {
    fn from(error: BuildError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error.error)
    }
}
