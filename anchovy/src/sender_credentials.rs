//! The credentials that the kernel attaches to received bytes.

use std::io;
use std::os::fd::BorrowedFd;

/// The process that sent the bytes of one receive, as the kernel saw it when they were sent
/// (`SCM_CREDENTIALS`, unix(7)); see
/// [`StreamBuilder::sender_credentials`](crate::StreamBuilder::sender_credentials).
///
/// By default these are the process id and the real user and group id of the sender. A sender can
/// attach credentials itself instead: its effective or saved ids. With a capability, it can attach any
/// process id (`CAP_SYS_ADMIN`), user id (`CAP_SETUID`) or group id (`CAP_SETGID`); see unix(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SenderCredentials {
    /// Process id, or `None` if the process is not visible in the PID namespace of this process.
    pub pid: Option<u32>,
    /// Real user id of the sender, unless the sender attached credentials itself.
    pub uid: u32,
    /// Real group id of the sender, unless the sender attached credentials itself.
    pub gid: u32,
}

/// The number of a user or group that has none in this user namespace (`/proc/sys/kernel/overflowuid`).
#[cfg(any(target_os = "linux", target_os = "android"))]
const OVERFLOW_ID: u32 = 65534;

impl SenderCredentials {
    /// Converts the numbers of a control message. Returns `None` for the placeholder that the kernel
    /// delivers for bytes that were sent before the option was set.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn from_kernel(pid: i32, uid: i32, gid: i32) -> Option<SenderCredentials> {
        let (uid, gid) = (uid as u32, gid as u32);
        let pid = u32::try_from(pid).ok().filter(|pid| *pid > 0);
        let is_placeholder = pid.is_none() && uid == OVERFLOW_ID && gid == OVERFLOW_ID;
        (!is_placeholder).then_some(SenderCredentials { pid, uid, gid })
    }
}

/// Sets whether the kernel attaches the credentials of the sender to received bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn set_passcred(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(socket, on)?)
}

/// Sets whether the kernel attaches the credentials of the sender to received bytes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn set_passcred(_: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    if on { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}
