//! F9: out-of-band bytes (`MSG_OOB`, unix(7)), with and without descriptors.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use interop_tests::memfd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::attacked::{HOSTILE, against, report};
use crate::child::{commands, say};
use crate::servers::ServerKind;

pub(crate) const ATTACK: &str = "out-of-band";

/// The longest that a hostile client waits for an answer.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Times that each line is sent.
const ATTEMPTS: usize = 20;

/// How a part of a line is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Plain(&'static str),
    OutOfBand(&'static str),
    OutOfBandWithFd(&'static str),
}

use Part::{OutOfBand, OutOfBandWithFd, Plain};

/// A line in parts, and its answer if nothing of it is lost. `None` if a descriptor comes with it that
/// it does not declare, which is an error. A line that loses a byte is a valid line, unless it
/// declares a descriptor.
type Case = (&'static str, &'static [Part], Option<&'static str>);

const CASES: &[Case] = &[
    ("inside a line", &[Plain("0d"), OutOfBand("e"), Plain("f\n")], Some("def 0")),
    ("at the start", &[OutOfBand("0"), Plain("0def\n")], Some("0def 0")),
    ("at the end", &[Plain("0def"), OutOfBand("\n")], Some("def 0")),
    ("twice", &[Plain("0"), OutOfBand("d"), OutOfBand("e"), Plain("f\n")], Some("def 0")),
    ("with a descriptor", &[Plain("1d"), OutOfBandWithFd("e"), Plain("f\n")], Some("def 1")),
    ("at the end with a descriptor", &[Plain("1def"), OutOfBandWithFd("\n")], Some("def 1")),
    ("with an undeclared one", &[Plain("0d"), OutOfBandWithFd("e"), Plain("f\n")], None),
];

/// Sends each line on a connection of its own, and says what it gets.
pub(crate) fn attack(path: &Path) {
    for command in commands() {
        let (_, parts, _) = CASES[command.parse::<usize>().expect("a number")];
        let mut socket = UnixStream::connect(path).expect("the server listens");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a socket");
        for part in parts {
            send(&socket, *part);
        }
        let mut outcome = answer(&mut socket);
        if outcome == "nothing" && socket.write_all(b"0next\n").is_ok() {
            outcome = format!("nothing, and after the next line {}", answer(&mut socket));
        }
        say(outcome);
    }
}

fn send(socket: &UnixStream, part: Part) {
    let (text, flags, has_fd) = match part {
        Plain(text) => (text, SendFlags::empty(), false),
        OutOfBand(text) => (text, out_of_band(), false),
        OutOfBandWithFd(text) => (text, out_of_band(), true),
    };
    let file = memfd();
    let fds = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if has_fd {
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    }
    let slices = [IoSlice::new(text.as_bytes())];
    let flags = flags | SendFlags::NOSIGNAL;
    // The server may have closed the connection after an earlier part.
    let _ = rustix::net::sendmsg(socket, &slices, &mut control, flags);
}

/// rustix has no name for it.
fn out_of_band() -> SendFlags {
    SendFlags::from_bits_retain(libc::MSG_OOB as u32)
}

fn answer(socket: &mut UnixStream) -> String {
    let mut bytes = [0; 256];
    match socket.read(&mut bytes) {
        Ok(0) => "closed".to_owned(),
        Ok(count) => format!("answered {:?}", String::from_utf8_lossy(&bytes[..count])),
        Err(error) if error.kind() == ErrorKind::WouldBlock => "nothing".to_owned(),
        Err(_) => "closed".to_owned(),
    }
}

#[test]
fn out_of_band_data_is_not_lost_silently() {
    nothing_vanishes(ServerKind::Lines);
}

#[test]
fn out_of_band_data_is_not_lost_silently_without_inq() {
    nothing_vanishes(ServerKind::LinesWithoutInq);
}

fn nothing_vanishes(kind: ServerKind) {
    against(kind, |attacked| {
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        let (mut seen, mut lost) = (Vec::new(), Vec::new());
        for (number, (name, _, whole)) in CASES.iter().enumerate() {
            let whole = whole.map(|text| format!("answered \"0{text}\\n\""));
            // The server may read before all parts are there, or after that.
            for attempt in 1..=ATTEMPTS {
                let outcome = hostile.ask(&number.to_string());
                // The client has closed its end, so the server says how the connection has ended.
                let end = attacked.server.answer();
                let is_delivered = whole.as_ref() == Some(&outcome);
                let is_refused = outcome == "closed" && end.contains("error");
                let is_lost = !is_delivered && !is_refused;
                if is_lost {
                    lost.push(*name);
                }
                if is_lost || attempt == ATTEMPTS {
                    seen.push(format!("{name}: {outcome} ({end})"));
                    break;
                }
            }
        }
        report("F9", format_args!("{kind:?}, an out-of-band byte {}", seen.join("; ")));
        assert_eq!(lost, [""; 0], "out-of-band bytes that vanished, or stopped what follows");
    });
}
