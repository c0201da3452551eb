//! The rules of Linux for the bytes and descriptors of a stream socket (unix(7), and
//! `unix_stream_read_generic` in net/unix/af_unix.c).

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// The bytes and descriptors of one `sendmsg`.
#[derive(Debug)]
struct Segment {
    bytes: VecDeque<u8>,
    fds: Vec<OwnedFd>,
}

/// One direction of a socket.
#[derive(Debug, Default)]
pub(crate) struct Kernel(VecDeque<Segment>);

impl Kernel {
    pub(crate) fn send(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.0.push_back(Segment { bytes: bytes.iter().copied().collect(), fds });
    }

    /// Returns at most `size` bytes. A read ends with the segment that its descriptors came from.
    pub(crate) fn receive(&mut self, size: usize) -> (Vec<u8>, Vec<OwnedFd>) {
        let (mut bytes, mut fds) = (Vec::new(), Vec::new());
        while bytes.len() < size && fds.is_empty() {
            let Some(segment) = self.0.front_mut() else { break };
            let count = segment.bytes.len().min(size - bytes.len());
            bytes.extend(segment.bytes.drain(..count));
            fds = std::mem::take(&mut segment.fds);
            if segment.bytes.is_empty() {
                self.0.pop_front();
            }
        }
        (bytes, fds)
    }
}
