//! Access to the parser of control messages, for the fuzz targets in `fuzz/` of the repository.
//! Compiled with `--cfg fuzzing` only, and no part of the public API.

use crate::sys::fuzzing;

/// Parses the control messages in any bytes: level, type and ints of each. Takes ownership of no
/// descriptor.
pub fn control_messages(bytes: &[u8]) -> Vec<(i32, i32, Vec<i32>)> {
    fuzzing::control_messages(bytes)
}
