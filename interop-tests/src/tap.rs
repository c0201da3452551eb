//! A tap on a D-Bus connection: it passes everything on, and keeps what has passed.
//!
//! It is a foreign end twice, and knows no more of D-Bus than where a line and where a message end.
//! It reads each of them to its end and not further, so the descriptors that it gets are those of
//! that message, and it passes them on as real programs do: a message in a `sendmsg` of its own, with
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

/// Listens at one place, and passes what comes to another.
#[derive(Debug)]
pub struct Tap(Arc<Mutex<Vec<Tapped>>>);

/// What has passed on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// What the client said.
    pub client: Said,
    /// What the server said.
    pub server: Said,
}

/// What one end has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The lines of the handshake, without their ends; a first byte 0 is `\0`.
    pub lines: Vec<String>,
    /// Messages, with what their descriptors are.
    pub messages: Vec<(Vec<u8>, Vec<Identity>)>,
}

impl Tap {
    /// Begins to listen, on the runtime of the test, with which it ends.
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

    /// The connections so far on which messages have passed.
    pub fn conversations(&self) -> Vec<Tapped> {
        let tapped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tapped.iter().filter(|tapped| !tapped.client.messages.is_empty()).cloned().collect()
    }
}

enum Item {
    Line(String),
    Message(Vec<u8>, Vec<Identity>),
}

/// Passes everything on in one direction, to its end.
async fn pass(from: &UnixStream, to: &UnixStream, is_client: bool, note: impl Fn(Item)) {
    let mut begun = false;
    // Who is gone is gone on both sides; the other direction sees it for itself.
    while let Ok((bytes, fds)) = next(from, is_client, begun).await {
        if bytes.is_empty() {
            break;
        }
        // It is noted before it is passed on, so that who has an answer finds the call noted.
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

/// A client has said when its messages begin; a server's begin with one of two letters, with which
/// none of its lines does (D-Bus Specification, "Message Format").
fn is_message(bytes: &[u8], is_client: bool, begun: bool) -> bool {
    if is_client { begun } else { matches!(bytes[0], b'l' | b'B') }
}

/// The next line or message, or nothing at the end.
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

/// Receives so many bytes more; false if the stream ended.
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

/// Receives what is there, or waits for something; nothing if the stream ended.
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

/// Sends everything, with these descriptors on its first byte.
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
