//! Frames over real sockets: the driver around the state machines, and the errors for bad input.

mod borrowed;
mod charges;
mod deadlines;
mod discarding;
mod last_byte;
mod methods;
mod parts;
mod receiving;
mod sending;
mod texts;
mod with_fds;

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy::codec::{
    Attribution, Decoder, Encoder, FdSet, FlushError, Framed, FramedParts, Placement, ReadPolicy,
    ReceiveError, ReceivedFds, SendError, SendErrorKind, Unclaimed, WritePolicy,
};
use anchovy::{DBUS_SCM_RIGHTS, FdError, ReuniteError, Truncation};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;
use texts::*;

/// A framed stream with this policy, and a foreign socket at its other end.
fn receiver(policy: ReadPolicy) -> (Texting, StdUnixStream) {
    let (near, far) = with_foreign();
    (Framed::with_policies(near, Texts, policy, WritePolicy::default()), far)
}

/// Returns the bytes of a frame that declares this number of descriptors.
fn bytes_of(payload: &[u8], declared: u8) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.push(declared);
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends bytes with this number of descriptors in one `sendmsg` of a foreign end. Returns the ends of
/// pipes that show whether the descriptors are closed.
fn send_pipes(far: &StdUnixStream, bytes: &[u8], count: usize) -> Vec<OwnedFd> {
    let (readers, writers): (Vec<_>, Vec<_>) = (0..count).map(|_| pipe_of_two()).unzip();
    let set: Vec<BorrowedFd<'_>> = writers.iter().map(AsFd::as_fd).collect();
    foreign_send(far, bytes, &[&set]).unwrap();
    readers
}

/// Returns the number of bytes between the payloads of two frames in memory.
fn distance(first: &Text, second: &Text) -> isize {
    (second.payload.as_ptr() as isize).wrapping_sub(first.payload.as_ptr() as isize)
}

fn pipe_of_two() -> (OwnedFd, OwnedFd) {
    crate::harness::pipe()
}

/// Checks that the stream of frames ends with this error and that these pipes are abandoned.
async fn ends_with(framed: &mut Texting, expected: ReceiveError<io::Error>, pipes: &[OwnedFd]) {
    let error = framed.next().await.expect("an error").unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
    assert_eq!(io::Error::from(error).kind(), io::Error::from(expected).kind());
    assert!(framed.next().await.is_none());
    assert!(pipes.iter().all(is_abandoned), "everything that was sent is closed");
    assert_eq!((framed.waiting_fds(), framed.read_buffer().len()), (0, 0));
}
