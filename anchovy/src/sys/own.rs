//! Ownership of a descriptor that the kernel has made.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that the kernel has just made; an int below 0 is an errno.
///
/// # Safety
///
/// A non-negative `int` must be an open descriptor that nothing else owns.
pub(super) unsafe fn own(int: RawFd) -> Result<OwnedFd, i32> {
    if int < 0 {
        return Err(int.wrapping_neg());
    }
    // SAFETY: open and owned by nothing else, says the caller.
    let fd = unsafe { OwnedFd::from_raw_fd(int) };
    // Another thread may fork in between; there is no better way on these systems.
    #[cfg(target_vendor = "apple")]
    let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
    Ok(fd)
}
