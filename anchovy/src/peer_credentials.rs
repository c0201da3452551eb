//! The credentials of a peer.

/// The user, the group and the process of a peer at the time of connect(2), listen(2) or socketpair(2)
/// (`SO_PEERCRED` on Linux, unix(7)).
///
/// [`AnchovyStream::peer_cred`](crate::AnchovyStream::peer_cred) returns them. The methods are those of
/// tokio's [`UCred`](tokio::net::unix::UCred).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl PeerCredentials {
    /// Converts the numbers of the kernel. A process that is not visible in the PID namespace of this
    /// process has the number 0.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn from_kernel(pid: i32, uid: u32, gid: u32) -> PeerCredentials {
        PeerCredentials { uid, gid, pid: Some(pid).filter(|pid| *pid > 0) }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn from_tokio(credentials: tokio::net::unix::UCred) -> PeerCredentials {
        let (uid, gid, pid) = (credentials.uid(), credentials.gid(), credentials.pid());
        PeerCredentials { uid, gid, pid }
    }

    /// Returns the effective user id in the user namespace of this process. It is 65534 for a user
    /// without an id in this namespace (user_namespaces(7)).
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the effective group id in the user namespace of this process.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Returns the process id in the PID namespace of this process. Returns `None` if the process is
    /// not visible there, or if the system does not report it.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }
}
