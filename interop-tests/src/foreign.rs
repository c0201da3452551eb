//! A foreign end in this process, which speaks to the kernel without our crates.

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

/// A foreign end, and what tells whether all that it sent is closed.
#[derive(Debug)]
pub struct Foreign {
    /// Its socket.
    pub socket: UnixStream,
    readers: RefCell<Vec<OwnedFd>>,
}

impl Foreign {
    /// A foreign end that has sent nothing.
    pub fn new(socket: UnixStream) -> Foreign {
        Foreign { socket, readers: RefCell::default() }
    }

    /// The writing ends of so many pipes, whose reading ends are kept.
    pub fn pipes(&self, count: usize) -> Vec<OwnedFd> {
        (0..count)
            .map(|_| {
                let (reader, writer) = pipe();
                self.readers.borrow_mut().push(reader);
                writer
            })
            .collect()
    }

    /// One `sendmsg` with so many descriptors of its own; returns what they are.
    ///
    /// # Panics
    ///
    /// If it is refused, or not all of it leaves.
    pub fn send(&self, bytes: &[u8], count: usize) -> Vec<Identity> {
        let fds = self.pipes(count);
        self.send_these(bytes, &fds).expect("the kernel carries it");
        identities(&fds)
    }

    /// One `sendmsg` with these descriptors.
    ///
    /// # Panics
    ///
    /// If not all of it leaves.
    pub fn send_these(&self, bytes: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let sets: &[&[BorrowedFd<'_>]] = if fds.is_empty() { &[] } else { &[&fds] };
        let sent = foreign_send(&self.socket, bytes, sets)?;
        assert_eq!(sent, bytes.len(), "there is room for all of it");
        Ok(())
    }

    /// Closes the reading ends of the pipes, where too many would be kept.
    pub fn forget(&self) {
        self.readers.borrow_mut().clear();
    }

    /// How many of the descriptors that were sent are open somewhere.
    pub fn open(&self) -> usize {
        self.readers.borrow().iter().filter(|reader| !is_abandoned(reader)).count()
    }

    /// What arrives until the end of the stream.
    pub fn rest(mut self) -> Vec<u8> {
        self.socket.set_nonblocking(false).expect("a socket");
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("the end of the stream");
        rest
    }
}

/// One `sendmsg` of a foreign end, each set in a control message of its own.
pub fn foreign_send(
    socket: &UnixStream,
    bytes: &[u8],
    sets: &[&[BorrowedFd<'_>]],
) -> rustix::io::Result<usize> {
    // Room for one descriptor more than the kernel carries, twice.
    let mut space = [MaybeUninit::uninit(); 2 * rustix::cmsg_space!(ScmRights(254))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    for set in sets {
        assert!(control.push(SendAncillaryMessage::ScmRights(set)));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// One `recvmsg` of a foreign end, with a control buffer of that many bytes.
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
