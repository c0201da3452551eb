//! The message that an error is about.

use std::fmt;

/// A message, by its object and its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodePosition {
    /// The id of its object.
    pub object: u32,
    /// The number of the request or event in its interface, from 0.
    pub opcode: u16,
}

impl fmt::Display for DecodePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of object {}", self.opcode, self.object)
    }
}
