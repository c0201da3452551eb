//! The descriptor that tells the peer the random number of a direction, without a byte in the stream.
//!
//! The number is the content of a memfd with all seals (memfd_create(2)), which no process can change any
//! more. The peer may be hostile and send any descriptor, and the receiver must not block on it:
//!
//! - fstat(2) of a descriptor of a FUSE file system waits for the program that serves it, without a limit.
//!   `F_GET_SEALS` does not call a file system. It fails for everything but files in memory
//!   (memfds and tmpfs).
//! - A pipe is locked during a write, and a writer can keep it locked by passing memory whose page faults
//!   it does not answer.
//! - A read of a memfd that is sealed against writes does not wait for another process.
//!
//! The number could also be the size of an empty file. But setting a size of more than `RLIMIT_FSIZE` ends
//! the process with SIGXFSZ, and a random 62-bit size almost certainly exceeds it.

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) use self::pipe::{create, read};
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) use self::sealed_file::{create, read};
use super::nonce::Nonce;

/// What the content begins with. The last byte is a version.
const MAGIC: [u8; 8] = *b"anchovy\x01";

/// Size of the content in bytes.
const LEN: usize = 16;

fn encode(nonce: Nonce) -> [u8; LEN] {
    let mut content = [0; LEN];
    content[..8].copy_from_slice(&MAGIC);
    content[8..].copy_from_slice(&nonce.to_bytes());
    content
}

fn decode(content: &[u8]) -> Option<Nonce> {
    let nonce = content.strip_prefix(&MAGIC)?;
    Some(Nonce::from_bytes(nonce.try_into().ok()?))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod sealed_file {
    //! A sealed memfd. FreeBSD has them since version 13.

    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
    use rustix::io::{Errno, pread, write};

    use super::{LEN, Nonce, decode, encode};

    const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

    /// Creates the carrier of a number.
    pub(in crate::exchange) fn create(nonce: Nonce) -> io::Result<OwnedFd> {
        let file = empty_file()?;
        // A limit that is smaller than this would end the process with SIGXFSZ.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        if limit.is_some_and(|limit| limit < LEN as u64) {
            return Err(Errno::FBIG.into());
        }
        if write(&file, &encode(nonce))? < LEN {
            return Err(io::ErrorKind::WriteZero.into());
        }
        fcntl_add_seals(&file, SEALS.union(SealFlags::SEAL))?;
        Ok(file)
    }

    /// Returns the number in a carrier, or `None` if the descriptor is no carrier. Does not block,
    /// whatever the descriptor is.
    pub(in crate::exchange) fn read(carrier: impl AsFd) -> Option<Nonce> {
        if !fcntl_get_seals(&carrier).ok()?.contains(SEALS) {
            return None;
        }
        // One byte more, to detect longer content.
        let mut content = [0; LEN + 1];
        let len = pread(&carrier, &mut content[..], 0).ok()?;
        decode(&content[..len])
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn empty_file() -> rustix::io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // The sysctl vm.memfd_noexec can require the flag, which kernels before Linux 6.3 reject.
        match memfd_create("anchovy", flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create("anchovy", flags),
            outcome => outcome,
        }
    }

    #[cfg(target_os = "freebsd")]
    fn empty_file() -> rustix::io::Result<OwnedFd> {
        memfd_create("anchovy", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
mod pipe {
    //! A pipe with the content in it and no writer, for systems without memfds that can be sealed.
    //! It needs no name and no file system.

    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
    use rustix::io::{FdFlags, fcntl_setfd};

    use super::{LEN, Nonce, decode, encode};

    /// Creates the carrier of a number.
    pub(in crate::exchange) fn create(nonce: Nonce) -> io::Result<OwnedFd> {
        let (reader, writer) = rustix::pipe::pipe()?;
        for end in [&reader, &writer] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
        }
        if rustix::io::write(&writer, &encode(nonce))? < LEN {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(reader)
    }

    /// Returns the number in a carrier, or `None` if the descriptor is no carrier.
    pub(in crate::exchange) fn read(carrier: impl AsFd) -> Option<Nonce> {
        if FileType::from_raw_mode(fstat(&carrier).ok()?.st_mode) != FileType::Fifo {
            return None;
        }
        fcntl_setfl(&carrier, fcntl_getfl(&carrier).ok()? | OFlags::NONBLOCK).ok()?;
        // One byte more, to detect longer content.
        let mut content = [0; LEN + 1];
        let len = rustix::io::read(&carrier, &mut content[..]).ok()?;
        decode(&content[..len])
    }
}
