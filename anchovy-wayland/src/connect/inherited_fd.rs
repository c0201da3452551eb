//! Taking a descriptor of which only the number is known.
//!
//! This is the only unsafe code of the crate. A number does not prove ownership, so it does as little as an
//! inherited socket needs, and never closes a descriptor, also if the number is wrong.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The numbers up to this one are those of the standard streams.
pub(super) const LAST_STANDARD_STREAM: RawFd = 2;

/// Returns whether a descriptor is inherited over an exec; EBADF if there is none with this number.
fn is_close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: this reads a flag and touches no memory; for a number that is not open, it fails.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::FD_CLOEXEC != 0)
}

/// An inherited descriptor, whose file can be replaced under its number. Dropping it closes nothing.
#[derive(Debug)]
pub(super) struct InheritedFd(ManuallyDrop<OwnedFd>);

impl InheritedFd {
    /// Takes the inherited descriptor with this number; `None` if, by all that can be seen, this
    /// process has opened it itself. The number is from `WAYLAND_SOCKET`, and was not taken before.
    ///
    /// # Errors
    ///
    /// EBADF if it is not open.
    pub(super) fn from_number(number: RawFd) -> io::Result<Option<InheritedFd>> {
        if number <= LAST_STANDARD_STREAM || is_close_on_exec(number)? {
            return Ok(None);
        }
        // SAFETY: it is no -1, and open, as the call above has shown. It is nobody else's, either:
        // it is not close-on-exec, so it is none that std, tokio or this crate has opened, but one
        // that was there when the process began; and its number is in `WAYLAND_SOCKET`, by which
        // who has started this process has said that it is for the one who reads that. Should all
        // that be wrong, it is not closed, for it is never dropped: see `replace`.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        Ok(Some(InheritedFd(ManuallyDrop::new(fd))))
    }

    /// Replaces the file under this number by another one, close-on-exec; in one step, where rustix
    /// has a function for that. The file that was there is closed under this number.
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
