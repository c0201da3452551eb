//! Taking a descriptor by its number.
//!
//! This is the only unsafe code of the crate. A number does not prove ownership, so this code does no more
//! than an inherited socket requires, and never closes a descriptor, even if the number is wrong.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The highest number of a standard stream.
pub(super) const LAST_STANDARD_STREAM: RawFd = 2;

/// Returns whether a descriptor is close-on-exec. Fails with EBADF if it is not open.
fn is_close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: the call reads a flag, accesses no memory, and fails if the number is not open.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::FD_CLOEXEC != 0)
}

/// An inherited descriptor whose file can be replaced under its number. Dropping it closes nothing.
#[derive(Debug)]
pub(super) struct InheritedFd(ManuallyDrop<OwnedFd>);

impl InheritedFd {
    /// Takes the inherited descriptor with this number, which must be the value of `WAYLAND_SOCKET` and
    /// must not have been taken before. Returns `None` if this process has opened the descriptor itself.
    ///
    /// # Errors
    ///
    /// Fails with EBADF if the descriptor is not open.
    pub(super) fn from_number(number: RawFd) -> io::Result<Option<InheritedFd>> {
        if number <= LAST_STANDARD_STREAM || is_close_on_exec(number)? {
            return Ok(None);
        }
        // SAFETY: the number is not -1, and the descriptor is open, as the call above has shown. No
        // other code owns it: it is not close-on-exec, so std, tokio and this crate have not opened
        // it, and it was open when the process started. The parent process has set `WAYLAND_SOCKET`
        // to its number, and by that has given it to the code that reads the variable. Even if all
        // this is wrong, the descriptor is not closed, because it is never dropped: see `replace`.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        Ok(Some(InheritedFd(ManuallyDrop::new(fd))))
    }

    /// Replaces the file under this number by another file, with close-on-exec. This is atomic on systems
    /// with dup3. The previous file is closed under this number.
    pub(super) fn replace(&mut self, other: impl AsFd) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "freebsd"))]
        rustix::io::dup3(other, &mut self.0, rustix::io::DupFlags::CLOEXEC)?;
        #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
        {
            rustix::io::dup2(other, &mut self.0)?;
            rustix::io::fcntl_setfd(&*self.0, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok(())
    }
}

impl AsFd for InheritedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
