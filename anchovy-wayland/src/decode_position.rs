//! A message in the stream, as errors name it.

use std::fmt;

/// A message, by its object and its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodePosition {
    /// The number of its object.
    pub object: u32,
    /// Which request or event of its interface, from 0.
    pub opcode: u16,
}

impl fmt::Display for DecodePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of object {}", self.opcode, self.object)
    }
}
