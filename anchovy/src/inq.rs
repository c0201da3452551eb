//! The use of `SO_INQ` on a socket.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::sys::options;

/// Whether this crate has enabled `SO_INQ` on a socket, or may. Only the task that receives enables it.
#[derive(Debug)]
pub(crate) struct Inq(AtomicU8);

const NEVER: u8 = 0;
const PERMITTED: u8 = 1;
const ON: u8 = 2;
/// The kernel does not have the option.
const UNSUPPORTED: u8 = 3;

impl Inq {
    #[inline]
    pub(crate) fn never() -> Inq {
        Inq(AtomicU8::new(NEVER))
    }

    /// Permits to enable the option.
    #[inline]
    pub(crate) fn permit(&mut self) {
        let state = self.0.get_mut();
        *state = (*state).max(PERMITTED);
    }

    /// Enables the option if that is permitted and possible, and was not done before.
    pub(crate) fn enable(&self, socket: BorrowedFd<'_>) {
        if self.0.load(Ordering::Relaxed) == PERMITTED {
            let is_on = options::set_inq(socket, true).is_ok();
            self.0.store(if is_on { ON } else { UNSUPPORTED }, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ON
    }

    pub(crate) fn is_permitted(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NEVER
    }
}
