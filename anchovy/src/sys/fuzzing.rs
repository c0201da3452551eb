//! Access to the parser of control messages, for fuzzing.

use libc::c_int;

use super::control::{ControlMessage, ControlMessages};

/// A control message as values: level, type and ints.
pub(crate) type Listed = (c_int, c_int, Vec<c_int>);

/// Parses the control messages in any bytes. Takes ownership of no descriptor.
pub(crate) fn control_messages(bytes: &[u8]) -> Vec<Listed> {
    let messages = ControlMessages::from_bytes(bytes);
    messages.map(|ControlMessage { level, kind, ints }| (level, kind, ints.collect())).collect()
}
