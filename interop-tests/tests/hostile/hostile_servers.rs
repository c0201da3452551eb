//! F19, F20: servers that attack the client.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::fs::Mode;

use crate::child::{commands, say};

/// The time between two bytes of a slow server.
const PAUSE: Duration = Duration::from_millis(20);

/// An attack on a client that has connected: its name, what the server does, and a part of the error
/// that the client gets, or several parts with `|` between them of which it has one.
pub(crate) type Case = (&'static str, fn(&mut UnixStream) -> io::Result<()>, &'static str);

/// Attacks one client for each line of the test, which is the number of a case.
pub(crate) fn attack(path: &Path, cases: &[Case]) {
    // The client is another user.
    rustix::process::umask(Mode::empty());
    let listener = UnixListener::bind(path).expect("a path that is free");
    say("listening");
    for command in commands() {
        let (_, attack, _) = cases[command.parse::<usize>().expect("a number")];
        let (mut client, _) = listener.accept().expect("the next client");
        // The client ends the connection, at the latest when this does.
        let _ = attack(&mut client);
    }
}

/// Says nothing until the client has gone.
pub(crate) fn say_nothing(client: &mut UnixStream) -> io::Result<()> {
    io::copy(client, &mut io::sink()).map(drop)
}

/// Sends the same bytes until the client has gone.
pub(crate) fn repeat(client: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let bytes = bytes.repeat((32 << 10) / bytes.len());
    // What the client sends is not read: it sends little.
    loop {
        client.write_all(&bytes)?;
    }
}

/// Sends bytes one by one, slowly, until the client has gone.
pub(crate) fn slowly(client: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        client.write_all(&[*byte])?;
        std::thread::sleep(PAUSE);
    }
    say_nothing(client)
}

/// Reads as many bytes.
pub(crate) fn skip(client: &mut UnixStream, count: usize) -> io::Result<()> {
    client.read_exact(&mut vec![0; count])
}
