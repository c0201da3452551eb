//! A tap on a D-Bus connection, which forwards all traffic and records it.
//!
//! It is implemented without the crates of this workspace, and knows only where lines and messages
//! end. It reads each of them to its end and no further, so the descriptors that it receives
//! belong to that message. It forwards a message as real programs do: in its own `sendmsg`, with
//! its descriptors on the first byte.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown,
};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

use crate::{Identity, identities};

/// Listens on one path, and forwards connections to another.
#[derive(Debug)]
pub struct Tap(Arc<Mutex<Vec<Tapped>>>);

/// The traffic of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// The traffic from the client.
    pub client: Said,
    /// The traffic from the server.
    pub server: Said,
}

/// The traffic in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Lines of the handshake, without their ends. A first byte 0 is shown as `\0`.
    pub lines: Vec<String>,
    /// Messages, and the identities of their descriptors.
    pub messages: Vec<(Vec<u8>, Vec<Identity>)>,
}

impl Tap {
    /// Starts to listen on the runtime of the test, and ends with it.
    pub fn start(listen: &Path, server: PathBuf) -> Tap {
        let listener = UnixListener::bind(listen).expect("a path in a directory of ours");
        let tapped = Arc::new(Mutex::new(Vec::new()));
        let tap = Tap(Arc::clone(&tapped));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a client");
                let server = UnixStream::connect(&server).await.expect("the server listens");
                let number = {
                    let mut tapped = tapped.lock().unwrap_or_else(PoisonError::into_inner);
                    tapped.push(Tapped::default());
                    tapped.len() - 1
                };
                let tapped = Arc::clone(&tapped);
                tokio::spawn(async move {
                    let note = |is_client, item| {
                        let mut tapped = tapped.lock().unwrap_or_else(PoisonError::into_inner);
                        let both = &mut tapped[number];
                        let said = if is_client { &mut both.client } else { &mut both.server };
                        match item {
                            Item::Line(line) => said.lines.push(line),
                            Item::Message(bytes, fds) => said.messages.push((bytes, fds)),
                        }
                    };
                    tokio::join!(
                        pass(&client, &server, true, |item| note(true, item)),
                        pass(&server, &client, false, |item| note(false, item)),
                    )
                });
            }
        });
        tap
    }

    /// Returns the connections so far that carried messages.
    pub fn conversations(&self) -> Vec<Tapped> {
        let tapped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tapped.iter().filter(|tapped| !tapped.client.messages.is_empty()).cloned().collect()
    }
}

enum Item {
    Line(String),
    Message(Vec<u8>, Vec<Identity>),
}

/// Forwards everything in one direction, until the end.
async fn pass(from: &UnixStream, to: &UnixStream, is_client: bool, note: impl Fn(Item)) {
    let mut begun = false;
    // If one side disconnects, both do. The other direction notices it itself.
    while let Ok((bytes, fds)) = next(from, is_client, begun).await {
        if bytes.is_empty() {
            break;
        }
        // Recorded before it is forwarded, so that a call is recorded before its answer arrives.
        if is_message(&bytes, is_client, begun) {
            note(Item::Message(bytes.clone(), identities(&fds)));
        } else {
            assert!(fds.is_empty(), "descriptors in a handshake");
            begun |= bytes == b"BEGIN\r\n";
            let line = String::from_utf8_lossy(&bytes).trim_end().replace('\0', "\\0");
            note(Item::Line(line));
        }
        if send(to, &bytes, &fds).await.is_err() {
            break;
        }
    }
    let _ = rustix::net::shutdown(to, Shutdown::Write);
}

/// Returns whether these bytes are a message. The messages of a client begin after `BEGIN`. Those
/// of a server begin with one of two letters, which begin none of its lines (D-Bus Specification,
/// "Message Format").
fn is_message(bytes: &[u8], is_client: bool, begun: bool) -> bool {
    if is_client { begun } else { matches!(bytes[0], b'l' | b'B') }
}

/// Returns the next line or message, or nothing at the end.
async fn next(
    from: &UnixStream,
    is_client: bool,
    begun: bool,
) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut bytes, mut fds) = (Vec::new(), Vec::new());
    if !receive(from, &mut bytes, &mut fds, 1).await? {
        return Ok((Vec::new(), Vec::new()));
    }
    if !is_message(&bytes, is_client, begun) {
        while bytes != b"\0" && !bytes.ends_with(b"\r\n") {
            whole(receive(from, &mut bytes, &mut fds, 1).await?)?;
        }
        return Ok((bytes, fds));
    }
    whole(receive(from, &mut bytes, &mut fds, 15).await?)?;
    let number = |at: usize| {
        let four = bytes[at..at + 4].try_into().expect("four bytes");
        let number =
            if bytes[0] == b'l' { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
        usize::try_from(number).expect("32 bits")
    };
    let rest = number(12).next_multiple_of(8) + number(4);
    whole(receive(from, &mut bytes, &mut fds, rest).await?)?;
    Ok((bytes, fds))
}

fn whole(there: bool) -> io::Result<()> {
    if there { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Receives this number of bytes. Returns false if the stream has ended.
async fn receive(
    from: &UnixStream,
    bytes: &mut Vec<u8>,
    fds: &mut Vec<OwnedFd>,
    count: usize,
) -> io::Result<bool> {
    let start = bytes.len();
    bytes.resize(start + count, 0);
    let mut filled = start;
    while filled < bytes.len() {
        let received = receive_some(from, &mut bytes[filled..], fds).await?;
        if received == 0 {
            return Ok(false);
        }
        filled += received;
    }
    Ok(true)
}

/// Receives the available bytes, or waits for some. Returns nothing if the stream has ended.
pub(crate) async fn receive_some(
    from: &UnixStream,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    from.async_io(Interest::READABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = rustix::net::recvmsg(from, &mut slices, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(set) = message {
                fds.extend(set);
            }
        }
        Ok(received.bytes)
    })
    .await
}

/// Sends all bytes, with these descriptors on the first byte.
pub(crate) async fn send(to: &UnixStream, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        let borrowed: Vec<_> = fds.iter().filter(|_| sent == 0).map(AsFd::as_fd).collect();
        sent += to
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !borrowed.is_empty() {
                    assert!(control.push(SendAncillaryMessage::ScmRights(&borrowed)));
                }
                let slices = [IoSlice::new(&bytes[sent..])];
                Ok(rustix::net::sendmsg(to, &slices, &mut control, SendFlags::NOSIGNAL)?)
            })
            .await?;
    }
    Ok(())
}
