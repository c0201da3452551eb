//! The random number of one direction of one connection.

use std::fmt;
use std::io;

/// The random number of one direction of one connection. It has 64 bits: the probability that two of a
/// million connections have the same number is 3 in 100 million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Nonce(u64);

impl Nonce {
    /// Returns a number from the random number generator of the system. A generator of the process
    /// would repeat its numbers in children of `fork`.
    pub(super) fn random() -> io::Result<Nonce> {
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        Ok(Nonce::from_bytes(bytes))
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Nonce {
        Nonce(u64::from_be_bytes(bytes))
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Parses exactly 16 lower-case hexadecimal digits, which is the only form that is displayed.
    pub(super) fn parse(text: &str) -> Option<Nonce> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Nonce)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fill(bytes: &mut [u8; 8]) -> io::Result<()> {
    use rustix::rand::{GetRandomFlags, getrandom};

    // The kernel returns requests of up to 256 bytes whole, once the generator is ready (getrandom(2)).
    let filled = rustix::io::retry_on_intr(|| getrandom(&mut bytes[..], GetRandomFlags::empty()))?;
    if filled == bytes.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fill(bytes: &mut [u8; 8]) -> io::Result<()> {
    use std::io::Read;

    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}
