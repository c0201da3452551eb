//! A peer in this process that makes system calls without the crates of this workspace.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::{Identity, identities, is_abandoned, pipe};

/// A foreign peer, which can count how many of the descriptors that it sent are still open.
#[derive(Debug)]
pub struct Foreign {
    /// The socket of the peer.
    pub socket: UnixStream,
    readers: RefCell<Vec<OwnedFd>>,
}

impl Foreign {
    /// Creates a peer that has sent nothing.
    pub fn new(socket: UnixStream) -> Foreign {
        Foreign { socket, readers: RefCell::default() }
    }

    /// Creates pipes, keeps their reading ends, and returns their writing ends.
    pub fn pipes(&self, count: usize) -> Vec<OwnedFd> {
        (0..count)
            .map(|_| {
                let (reader, writer) = pipe();
                self.readers.borrow_mut().push(reader);
                writer
            })
            .collect()
    }

    /// Sends bytes and this number of its own descriptors with one `sendmsg`. Returns their
    /// identities.
    ///
    /// # Panics
    ///
    /// Panics if `sendmsg` fails or does not send all bytes.
    pub fn send(&self, bytes: &[u8], count: usize) -> Vec<Identity> {
        let fds = self.pipes(count);
        self.send_these(bytes, &fds).expect("the kernel carries it");
        identities(&fds)
    }

    /// Sends bytes and these descriptors with one `sendmsg`.
    ///
    /// # Panics
    ///
    /// Panics if `sendmsg` does not send all bytes.
    pub fn send_these(&self, bytes: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let sets: &[&[BorrowedFd<'_>]] = if fds.is_empty() { &[] } else { &[&fds] };
        let sent = foreign_send(&self.socket, bytes, sets)?;
        assert_eq!(sent, bytes.len(), "there is room for all of it");
        Ok(())
    }

    /// Closes the reading ends of the pipes, for tests that send many descriptors.
    pub fn forget(&self) {
        self.readers.borrow_mut().clear();
    }

    /// Returns how many of the sent descriptors are still open in any process.
    pub fn open(&self) -> usize {
        self.readers.borrow().iter().filter(|reader| !is_abandoned(reader)).count()
    }

    /// Reads until the end of the stream.
    pub fn rest(mut self) -> Vec<u8> {
        self.socket.set_nonblocking(false).expect("a socket");
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("the end of the stream");
        rest
    }
}

/// Calls `sendmsg` once, with each descriptor set in its own control message.
pub fn foreign_send(
    socket: &UnixStream,
    bytes: &[u8],
    sets: &[&[BorrowedFd<'_>]],
) -> rustix::io::Result<usize> {
    // Room for twice one descriptor more than the kernel accepts.
    let mut space = [MaybeUninit::uninit(); 2 * rustix::cmsg_space!(ScmRights(254))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    for set in sets {
        assert!(control.push(SendAncillaryMessage::ScmRights(set)));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// Calls `recvmsg` once, with a control buffer of `space` bytes.
pub fn foreign_receive(socket: &UnixStream, space: usize) -> (Vec<u8>, Vec<OwnedFd>, ReturnFlags) {
    let mut bytes = [0; 4096];
    let mut space = vec![MaybeUninit::uninit(); space];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .expect("something to receive");
    let fds = control
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        })
        .collect();
    (bytes[..received.bytes].to_vec(), fds, received.flags)
}
