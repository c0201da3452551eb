//! The operations that are counted: the hot paths of the three crates.
//!
//! Both ends of each operation take turns in one task, so the order of system calls is always the same.

mod dbus;
mod stream;
mod wayland;

use crate::operation::Operation;

/// Returns all operations.
pub(crate) fn all() -> impl Iterator<Item = &'static Operation> {
    [stream::OPERATIONS, dbus::OPERATIONS, wayland::OPERATIONS].into_iter().flatten()
}
