//! The message that an error refers to.

use std::fmt;

/// The object and the opcode of the message that an error refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodePosition {
    /// Id of the object.
    pub object: u32,
    /// Number of the request or event in its interface, from 0.
    pub opcode: u16,
}

impl fmt::Display for DecodePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message with opcode {} of object {}", self.opcode, self.object)
    }
}
