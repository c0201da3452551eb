//! What real programs have said to each other, replayed: each side's calls, one by one, to our
//! other side.
//!
//! The transcripts in `tests/vectors` are of strace. Snapshots hold what we answered, what we made
//! of the handshake, and every message in a line.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use anchovy::codec::{FdSet, Framed, FramedParts};
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use anchovy_dbus::auth::{ClientAuth, Event, Login, Reply, ServerAuth};
use anchovy_dbus::{HandshakeLimits, Limits, Message, MessageCodec};
use bytes::BytesMut;

use crate::harness::*;

/// All of them; nothing in the directory is left out.
const TRANSCRIPTS: [&str; 17] = [
    "client-abus-0.0.4",
    "client-gdbus274",
    "client-libdbus-dbus-send",
    "client-python-dbus",
    "client-sdbus-busctl252",
    "client-sdbus-busctl257-fdreply",
    "client-zbus-6.2.1",
    "fdmsg-busctl",
    "fdmsg-client",
    "fdmsg-gdbus",
    "fdmsg-service",
    "fdmsg-zbus",
    "fdmsg-zbussendall",
    "server-dbus-daemon-with-busctl",
    "server-dbus-daemon-with-dbus-send",
    "server-dbus-daemon-with-zbus",
    "userns-libdbus-rejected",
];

/// The peer of the server in every transcript, by the kernel: also of the one in a user namespace,
/// which thinks itself 65534.
const ROOT: u32 = 0;

/// One call: whose bytes, and with how many descriptors.
#[derive(Debug)]
struct Call {
    from_client: bool,
    bytes: Vec<u8>,
    fds: usize,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The calls on the socket of the connection, in order.
fn parse(name: &str) -> Vec<Call> {
    let path = directory().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let (mut socket, mut served, mut calls) = (None, false, Vec::new());
    for entry in text.split("\n[").skip(1) {
        let (line, hex) = entry.split_once('\n').unwrap_or((entry, ""));
        let call = line.split_once("] pid=").and_then(|(_, rest)| rest.split_once(' '));
        let (_, call) = call.expect("a number, a pid and a call");
        // Calls that failed are written in short.
        let Some((function, arguments)) = call.split_once('(') else { continue };
        let Some((fd, _)) = arguments.split_once("<unix>") else { continue };
        let (_, result) = call.rsplit_once(" = ").expect("a result");
        match function {
            "connect" => socket = Some(fd),
            "accept4" => {
                socket = result.split('<').next();
                served = true;
            }
            "sendmsg" | "sendto" | "recvmsg" | "recvfrom" | "read" if socket == Some(fd) => {
                let bytes = hex.lines().flat_map(dump_line).collect::<Vec<u8>>();
                assert_eq!(bytes.len().to_string(), result, "{name}: {line}");
                let is_sent = function.starts_with("send");
                calls.push(Call { from_client: is_sent != served, bytes, fds: count_fds(line) });
            }
            "getsockopt" | "setsockopt" | "sendto" | "read" => {}
            other => panic!("{name}: {other} is not known here"),
        }
    }
    calls
}

/// The bytes of a line of a dump: an offset, two digits for each byte, and the text.
fn dump_line(line: &str) -> Vec<u8> {
    let columns = line.split('|').next().expect("the first part");
    let digits = columns.split_whitespace().skip(1);
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("two hex digits")).collect()
}

/// How many descriptors a call carried: the length of its control message says so.
fn count_fds(line: &str) -> usize {
    let mut count = 0;
    for control in line.split("{cmsg_len=").skip(1) {
        let (length, rest) = control.split_once(',').expect("a length");
        if rest.contains("cmsg_type=SCM_RIGHTS") {
            let length: usize = length.parse().expect("a number");
            count += (length - 16) / 4;
        }
    }
    count
}

/// What of this a client says before its messages, as lines.
fn client_lines(calls: &[Call]) -> Vec<String> {
    let said = calls.iter().filter(|call| call.from_client);
    let said: Vec<u8> = said.flat_map(|call| call.bytes.clone()).collect();
    let said = said.strip_prefix(b"\0").expect("NUL");
    let mut lines = Vec::new();
    for line in said.split_inclusive(|&byte| byte == b'\n') {
        let line = std::str::from_utf8(line).expect("text").trim_end();
        lines.push(line.to_owned());
        if line == "BEGIN" {
            break;
        }
    }
    lines
}

/// Messages as they come out of a socket into which the rest of these calls goes.
async fn messages(
    rest: (BytesMut, Vec<FdSet>),
    unix_fds: bool,
    limits: Limits,
    calls: &[&Call],
    story: &mut String,
) {
    let (near, far) = StdUnixStream::pair().unwrap();
    for call in calls {
        let fds = memfds(call.fds);
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let sets = if fds.is_empty() { vec![] } else { vec![&fds[..]] };
        assert_eq!(foreign_send(&far, &call.bytes, &sets), Ok(call.bytes.len()));
    }
    drop(far);
    let near = AnchovyStream::<DBUS_SCM_RIGHTS>::new(near).unwrap();
    let codec = MessageCodec::new(limits);
    let codec = if unix_fds { codec } else { codec.without_fds() };
    let mut parts = FramedParts::new(near, codec);
    (parts.read_buffer, parts.read_sets) = rest;
    let mut framed = Framed::from_parts(parts);
    while let Some(message) = framed.next().await {
        match message {
            Ok(message) => writeln!(story, "{}", in_a_line(&message)).unwrap(),
            Err(error) => writeln!(story, "ends: {error}").unwrap(),
        }
    }
    let (bytes, fds) = (framed.read_buffer().len(), framed.waiting_fds());
    assert_eq!((bytes, fds), (0, 0), "{story}");
}

fn in_a_line(message: &Message) -> String {
    let header = message.header();
    let mut line = format!("{:?}", header.message_type());
    let serial = header.serial().map(|serial| format!("#{serial}"));
    let replies = header.reply_serial().map(|serial| format!("to #{serial}"));
    let names = [header.path(), header.interface(), header.member(), header.error_name()];
    let texts =
        serial.iter().chain(&replies).map(String::as_str).chain(names.into_iter().flatten());
    for text in texts {
        write!(line, " {text}").unwrap();
    }
    let (signature, body, fds) = (header.signature(), header.body_len(), message.fds().len());
    write!(line, " ({signature}) {body} bytes, {fds} fds").unwrap();
    line
}

/// What our server makes of the client.
async fn to_our_server(calls: &[Call]) -> String {
    let mut story = String::new();
    let mut auth = ServerAuth::new(guid(), Some(ROOT), HandshakeLimits::default());
    let mut calls = calls.iter().filter(|call| call.from_client).collect::<Vec<_>>().into_iter();
    let mut begun = false;
    while !begun {
        let Some(call) = calls.next() else { break };
        auth.receive(&call.bytes, memfds(call.fds));
        loop {
            match auth.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Request(request))) => {
                    writeln!(story, "{} asks as {:?}", request.mechanism, request.uid).unwrap();
                    auth.accept().unwrap();
                }
                Ok(Some(Event::Begin)) => {
                    begun = true;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        say(&mut story, &auth.take_output());
    }
    let unix_fds = auth.unix_fds();
    writeln!(story, "begun: {begun}, descriptors: {unix_fds}").unwrap();
    let calls: Vec<_> = calls.collect();
    messages(auth.into_rest().unwrap(), unix_fds, Limits::server(), &calls, &mut story).await;
    story
}

/// What our client, going about it as theirs did, makes of the server.
async fn to_our_client(calls: &[Call]) -> String {
    let mut story = String::new();
    let lines = client_lines(calls);
    let first_reply = calls.iter().position(|call| !call.from_client).expect("a reply");
    let pipelined = calls[..first_reply]
        .iter()
        .any(|call| call.bytes.windows(7).any(|line| line == b"BEGIN\r\n"));
    let negotiates = lines.iter().any(|line| line == "NEGOTIATE_UNIX_FD");
    let mut logins = lines.iter().filter_map(|line| login(line)).collect::<Vec<_>>().into_iter();

    let mut auth = ClientAuth::new(HandshakeLimits::default());
    let login = logins.next().expect("a login");
    if pipelined {
        auth.set_unix_fds(negotiates);
        auth.pipeline(login).unwrap();
    } else {
        auth.authenticate(login).unwrap();
    }
    say(&mut story, &auth.take_output());
    let mut calls = calls.iter().filter(|call| !call.from_client).collect::<Vec<_>>().into_iter();
    let mut begun = false;
    while !begun {
        let Some(call) = calls.next() else { break };
        auth.receive(&call.bytes, memfds(call.fds));
        while let Some(reply) = auth.next_reply().unwrap() {
            let told = match &reply {
                Reply::Accepted(_) => "accepted".to_owned(),
                other => format!("{other:?}"),
            };
            writeln!(story, "{told}").unwrap();
            begun = match reply {
                _ if pipelined => auth.is_answered(),
                Reply::Accepted(_) if negotiates => {
                    auth.negotiate_unix_fd().unwrap();
                    false
                }
                Reply::Rejected(_) => {
                    if let Some(login) = logins.next() {
                        auth.authenticate(login).unwrap();
                    }
                    false
                }
                _ => {
                    auth.begin().unwrap();
                    true
                }
            };
        }
        say(&mut story, &auth.take_output());
    }
    let unix_fds = auth.unix_fds();
    writeln!(story, "begun: {begun}, descriptors: {unix_fds}").unwrap();
    let calls: Vec<_> = calls.collect();
    messages(auth.into_rest().unwrap(), unix_fds, Limits::client(), &calls, &mut story).await;
    story
}

/// The login that a line asks for; GDBus begins with an AUTH of nothing, to be told the list, for
/// which a login that is not offered stands here.
fn login(line: &str) -> Option<Login> {
    match line.strip_prefix("AUTH")?.trim() {
        "" => Some(Login::Anonymous),
        "EXTERNAL" => Some(Login::External),
        "EXTERNAL 30" => Some(Login::ExternalUid(0)),
        "EXTERNAL 3635353334" => Some(Login::ExternalUid(65534)),
        other => panic!("AUTH {other}"),
    }
}

fn say(story: &mut String, output: &[u8]) {
    for line in output.split_inclusive(|&byte| byte == b'\n') {
        writeln!(story, "we say {}", line.escape_ascii()).unwrap();
    }
}

#[test]
fn every_transcript_in_the_directory_is_replayed() {
    guarded(|| {
        let entries = std::fs::read_dir(directory()).unwrap();
        let found: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let replayed = TRANSCRIPTS.iter().map(|name| format!("{name}.txt")).collect();
        assert_eq!(found, replayed);
    });
}

#[test]
fn every_transcript_has_both_sides() {
    guarded(|| {
        for name in TRANSCRIPTS {
            let calls = parse(name);
            for from_client in [true, false] {
                assert!(calls.iter().any(|call| call.from_client == from_client), "{name}");
            }
        }
    });
}

#[test]
fn our_server_understands_every_client() {
    run(async {
        for name in TRANSCRIPTS {
            let story = to_our_server(&parse(name)).await;
            insta::assert_snapshot!(format!("server_{name}"), story);
        }
    });
}

#[test]
fn our_client_understands_every_server() {
    run(async {
        for name in TRANSCRIPTS {
            let story = to_our_client(&parse(name)).await;
            insta::assert_snapshot!(format!("client_{name}"), story);
        }
    });
}
