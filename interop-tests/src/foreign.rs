//! A foreign end in this process, which speaks to the kernel without our crates.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

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
