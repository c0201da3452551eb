//! Words in the byte order of the machine: headers and arguments, to write and to read.
//!
//! A message is a header of two words (the object; the length and the opcode) and its arguments,
//! each padded to whole words. The types of the arguments are not in the bytes: who writes and who
//! reads have them from the same protocol file. Descriptors are not in the bytes at all, but in a
//! queue beside them, in the order of the arguments.

mod build;
mod message;
mod read;

use std::fmt;
use std::num::NonZeroU32;

pub use build::{BuildError, MessageBuilder};
pub(crate) use message::Body;
pub use message::Message;
pub use read::Arguments;

use crate::error::{WireError, WireFault};

/// The bytes of a header.
pub(crate) const HEADER: usize = 8;

/// The longest message that a header can tell, in whole words.
pub(crate) const LONGEST: usize = 0xfffc;

/// The number of an object, which is never 0.
///
/// A client numbers its objects from 2 (1 is the display), a server from
/// [`FIRST_OF_SERVER`](Self::FIRST_OF_SERVER); both use the smallest that is free.
///
/// ```
/// use anchovy_wayland::ObjectId;
///
/// let registry = ObjectId::new(2).expect("not 0");
/// assert!(ObjectId::DISPLAY < registry && !registry.is_of_server());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(NonZeroU32);

impl ObjectId {
    /// The display, which both ends have from the start.
    pub const DISPLAY: ObjectId = ObjectId(NonZeroU32::MIN);

    /// The first number that a server gives (Wayland protocol, "Creating Objects").
    pub const FIRST_OF_SERVER: ObjectId = match NonZeroU32::new(0xff00_0000) {
        Some(id) => ObjectId(id),
        None => unreachable!(),
    };

    /// The object with this number; none has 0.
    pub const fn new(id: u32) -> Option<ObjectId> {
        match NonZeroU32::new(id) {
            Some(id) => Some(ObjectId(id)),
            None => None,
        }
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Was the number given by the server?
    pub fn is_of_server(self) -> bool {
        self >= ObjectId::FIRST_OF_SERVER
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number in steps of 1/256.
///
/// ```
/// use anchovy_wayland::Fixed;
///
/// assert_eq!(f64::from(Fixed::from_bits(0x180)), 1.5);
/// assert_eq!(Fixed::from(-2), Fixed::from_f64(-2.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed(i32);

impl Fixed {
    /// So many 256ths.
    pub const fn from_bits(bits: i32) -> Fixed {
        Fixed(bits)
    }

    /// How many 256ths.
    pub const fn to_bits(self) -> i32 {
        self.0
    }

    /// The nearest to a number; the first or the last of all for one that is beyond them, and 0 for
    /// one that is none.
    pub fn from_f64(number: f64) -> Fixed {
        Fixed((number * 256.0).round() as i32)
    }
}

impl From<Fixed> for f64 {
    fn from(fixed: Fixed) -> f64 {
        f64::from(fixed.0) / 256.0
    }
}

impl From<i16> for Fixed {
    fn from(number: i16) -> Fixed {
        Fixed(i32::from(number) * 256)
    }
}

/// The header of a message: whose, which, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) object: ObjectId,
    pub(crate) opcode: u16,
    pub(crate) length: usize,
}

/// The header that begins here, if it is there whole.
#[inline]
pub(crate) fn header(bytes: &[u8], limit: usize) -> Result<Option<Header>, WireError> {
    let (Some(object), Some(second)) = (word(bytes, 0), word(bytes, 4)) else { return Ok(None) };
    let (opcode, length) = ((second & 0xffff) as u16, (second >> 16) as usize);
    let fault = |fault| WireError { object, opcode, fault };
    let limit = limit.min(LONGEST);
    match ObjectId::new(object) {
        None => Err(fault(WireFault::NullObject)),
        _ if length < HEADER => Err(fault(WireFault::TooShort { length })),
        _ if length % 4 != 0 => Err(fault(WireFault::Unaligned { length })),
        _ if length > limit => Err(fault(WireFault::TooLong { length, limit })),
        Some(object) => Ok(Some(Header { object, opcode, length })),
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
