//! What hostile clients send, made without our crates.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use interop_tests::foreign_send;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The longest that a hostile client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Connects, authenticates as the user of this process, and negotiates descriptor passing.
pub(crate) fn authenticate(path: &Path) -> io::Result<UnixStream> {
    let mut socket = within_a_second(UnixStream::connect(path)?)?;
    let uid: String = rustix::process::geteuid()
        .as_raw()
        .to_string()
        .bytes()
        .map(|digit| format!("{digit:02x}"))
        .collect();
    let lines = format!("\0AUTH EXTERNAL {uid}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    socket.write_all(lines.as_bytes())?;
    read_until(&mut socket, b"AGREE_UNIX_FD\r\n")?;
    socket.set_read_timeout(None)?;
    Ok(socket)
}

/// Connects without blocking, if the queue of the server has room for a client.
pub(crate) fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket.into())
}

/// Makes a socket blocking, with the longest time that a hostile client waits for an answer.
pub(crate) fn within_a_second(socket: UnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// Reads up to and including these bytes, and no further.
pub(crate) fn read_until(socket: &mut UnixStream, end: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(())
}

/// Returns the header of a method call with a body of so many bytes and so many descriptors (D-Bus
/// Specification, "Message Format").
pub(crate) fn method_call(member: &str, body: usize, fds: u32) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut field = |code: u8, signature: u8, value: &[u8]| {
        // Each field is a structure, which is aligned to 8 bytes.
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend([code, 1, signature, 0]);
        fields.extend(value);
    };
    let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes(), &[0]].concat();
    field(1, b'o', &text("/"));
    field(3, b's', &text(member));
    if body > 0 {
        field(8, b'g', b"\x02ay\0");
    }
    if fds > 0 {
        field(9, b'u', &fds.to_le_bytes());
    }
    let body = u32::try_from(body).expect("the specification allows less");
    let mut header = vec![b'l', 1, 0, 1];
    header.extend(body.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend((fields.len() as u32).to_le_bytes());
    header.extend(fields);
    header.resize(header.len().next_multiple_of(8), 0);
    header
}

/// Reads a message of the server and drops it.
pub(crate) fn read_message(socket: &mut UnixStream) -> io::Result<()> {
    let mut start = [0; 16];
    socket.read_exact(&mut start)?;
    let number = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().expect("four bytes"));
    let rest = u64::from(number(12).next_multiple_of(8)) + u64::from(number(4));
    let read = io::copy(&mut socket.take(rest), &mut io::sink())?;
    if read == rest { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Sends all these bytes in one call with so many copies of a descriptor.
pub(crate) fn send_fds(
    socket: &UnixStream,
    bytes: &[u8],
    file: &OwnedFd,
    count: usize,
) -> io::Result<()> {
    let fds = vec![file.as_fd(); count];
    match foreign_send(socket, bytes, &[&fds])? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
