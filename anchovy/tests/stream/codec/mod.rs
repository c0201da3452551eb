//! Frames over real sockets: the driver around the state machines, and the errors for bad input.

mod borrowed;
mod calls;
mod charges;
mod deadlines;
mod discarding;
mod last_byte;
mod methods;
mod parts;
mod receiving;
mod sending;
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

/// Four bytes of length, a byte that says how many descriptors, and a payload.
#[derive(Clone, Debug)]
struct Texts;

#[derive(Debug)]
struct Text {
    payload: Bytes,
    fds: Vec<OwnedFd>,
    /// The cause, if the kernel truncated its descriptors.
    cut: Option<Truncation>,
}

const HEADER: usize = 5;

fn text(payload: impl Into<Bytes>, fds: usize) -> Text {
    Text { payload: payload.into(), fds: memfds(fds), cut: None }
}

impl Decoder for Texts {
    type Item = Text;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Text>, ReceiveError<io::Error>> {
        let Some((mut header, _)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let length = HEADER + header.get_u32() as usize;
        let count = header.get_u8().into();
        if bytes.len() < length {
            return Ok(None);
        }
        let cut = fds.truncation(length);
        let fds = if cut.is_some() { Vec::new() } else { fds.take(length, count)?.into_vec() };
        let mut payload = bytes.split_to(length).freeze();
        payload.advance(HEADER);
        Ok(Some(Text { payload, fds, cut }))
    }
}

impl Encoder<Text> for Texts {
    type Error = io::Error;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> io::Result<()> {
        if item.payload == "nothing at all" {
            return Ok(());
        }
        bytes.put_u32(item.payload.len() as u32);
        bytes.put_u8(item.fds.len() as u8);
        if item.payload == "too much" {
            return Err(io::Error::other("the encoder refuses it half way"));
        }
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Text) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut item.fds)
    }

    fn payload(&mut self, item: &Text) -> Bytes {
        if item.payload == "nothing at all" { Bytes::new() } else { item.payload.clone() }
    }
}

type Texting = Framed<DBUS_SCM_RIGHTS, Texts>;

fn pair() -> (Texting, Texting) {
    let (near, far) = Dbus::pair().unwrap();
    (Framed::new(near, Texts), Framed::new(far, Texts))
}

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
