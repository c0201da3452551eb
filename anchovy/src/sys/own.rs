//! Ownership of a descriptor that the kernel has created.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that the kernel has just created. An int below 0 is an errno.
///
/// # Safety
///
/// A non-negative `int` must be an open descriptor that nothing else owns.
pub(super) unsafe fn own(int: RawFd) -> Result<OwnedFd, i32> {
    if int < 0 {
        return Err(int.wrapping_neg());
    }
    // SAFETY: the caller guarantees that the descriptor is open and owned by nothing else.
    let fd = unsafe { OwnedFd::from_raw_fd(int) };
    // Another thread may fork in between. These systems have no atomic way.
    #[cfg(target_vendor = "apple")]
    let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
    Ok(fd)
}
