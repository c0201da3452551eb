//! Bytes that nobody can guess.
//!
//! Guids need them, and names of sockets in directories that others may write to. The kernel may
//! give fewer than were asked for, and some systems give them only through a file.

use std::io;

/// Fills `bytes` from the kernel's generator (getrandom(2), or `/dev/urandom` where rustix does
/// not have that call).
///
/// Waits where the generator of a system that just booted has not been seeded yet; then, and only
/// then, the call takes long.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    fill_from(bytes, system)
}

fn fill_from(
    mut bytes: &mut [u8],
    mut some: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match some(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn system(bytes: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty())?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn system(bytes: &mut [u8]) -> io::Result<usize> {
    use std::io::Read;

    std::fs::File::open("/dev/urandom")?.read(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_interrupted_answers_are_continued() {
        let interrupted = || io::Error::from(io::ErrorKind::Interrupted);
        let mut answers = [Ok(2), Err(interrupted()), Ok(1), Ok(2)].into_iter();
        let mut next = 0;
        let mut bytes = [0; 5];

        let filled = fill_from(&mut bytes, |rest| {
            let count: usize = answers.next().unwrap()?;
            for byte in &mut rest[..count] {
                next += 1;
                *byte = next;
            }
            Ok(count)
        });

        assert!(filled.is_ok());
        assert_eq!(bytes, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_generator_that_gives_nothing_is_an_error() {
        let error = fill_from(&mut [0; 4], |_| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
