//! Captured traffic of real programs, replayed call by call through connections of this crate.
//!
//! `tests/vectors` has strace output of libwayland clients, and the output of another decoder for it
//! (`decoded`). The snapshots have one line for each message.
#![cfg(target_endian = "little")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anchovy_wayland::fds::Kind;
use anchovy_wayland::{Connection, Limits, Message, ObjectId, Signatures};
use roxmltree::{Document, Node};

use crate::files::protocol_files;
use crate::harness::*;

/// Captures with all bytes.
const TRACES: [&str; 5] =
    ["foot-sway", "wayland-info", "weston-simple-shm", "wl-copy-sway", "wtype-sway"];

/// Captures with only the lengths and the messages of each call.
const SUMMARIES: [&str; 2] = ["waypipe-server-foot", "wl-paste-sway"];

/// One system call: its direction, its bytes and its number of descriptors.
#[derive(Debug)]
struct Call {
    kind: Kind,
    bytes: Vec<u8>,
    fds: usize,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read(file: &str) -> String {
    let path = directory().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Parses the system calls of a client on its socket.
fn parse(name: &str) -> Vec<Call> {
    let text = read(&format!("{name}.strace"));
    let mut calls = Vec::new();
    for line in text.lines() {
        let (_, call) = line.split_once(' ').expect("a number and a call");
        let kind = match call.split('(').next() {
            Some("sendmsg") => Kind::Request,
            Some("recvmsg") => Kind::Event,
            _ => continue,
        };
        // The last line of a long trace may be cut off.
        let Some((_, result)) = call.rsplit_once(" = ") else { continue };
        let parts = call.split("iov_base=\"").skip(1);
        let bytes: Vec<u8> = parts.flat_map(|part| hex(part.split('"').next().unwrap())).collect();
        assert_eq!(bytes.len().to_string(), result, "{name}");
        if !bytes.is_empty() {
            calls.push(Call { kind, bytes, fds: count_fds(call) });
        }
    }
    calls
}

/// Parses bytes of the form `\x0a`.
fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes.map(|digits| u8::from_str_radix(digits, 16).expect("two hex digits")).collect()
}

/// Returns the number of descriptors of a call, from the length of its control message.
fn count_fds(call: &str) -> usize {
    let controls = call.split("{cmsg_len=").skip(1);
    let lengths = controls.map(|control| {
        let (length, rest) = control.split_once(',').expect("a length");
        assert!(rest.contains("cmsg_type=SCM_RIGHTS"));
        (length.parse::<usize>().expect("a number") - 16) / 4
    });
    lengths.sum()
}

/// A line of a summary: the name of the system call and its contents.
#[derive(Debug)]
struct Line {
    stream: String,
    length: usize,
    fds: usize,
    /// In the form `1.0(12B)`.
    messages: Vec<String>,
}

fn summary(name: &str) -> Vec<Line> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let value = |key: &str| {
            let mut values = words.iter().filter_map(|word| word.strip_prefix(key));
            values.next().expect("a value").parse::<usize>().expect("a number")
        };
        assert_eq!(value("partial="), 0, "{line}");
        let messages = line.split_once(": ").map_or("", |(_, messages)| messages);
        Line {
            stream: words[1].to_owned(),
            length: value("ret="),
            fds: value("fds="),
            messages: messages.split_whitespace().map(str::to_owned).collect(),
        }
    };
    read(&format!("{name}.decoded")).lines().map(line).collect()
}

/// The type of an argument, and the interface of its object if the protocol file specifies it.
type Argument = (String, Option<String>);

/// The name and the arguments of a message, from its protocol file.
type Signature = (String, Vec<Argument>);

/// All messages, by interface, kind and opcode.
type Protocols = BTreeMap<(String, Kind, u16), Signature>;

fn protocols() -> Protocols {
    let mut protocols = Protocols::new();
    for file in protocol_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let document = Document::parse(&text).unwrap();
        for interface in document.descendants().filter(|node| node.has_tag_name("interface")) {
            let Some(name) = interface.attribute("name") else { continue };
            for (tag, kind) in [("request", Kind::Request), ("event", Kind::Event)] {
                let messages = interface.children().filter(|node| node.has_tag_name(tag));
                for (opcode, message) in messages.enumerate() {
                    let key = (name.to_owned(), kind, opcode as u16);
                    protocols.insert(key, signature(message));
                }
            }
        }
    }
    protocols
}

fn signature(message: Node<'_, '_>) -> Signature {
    let arguments = message.children().filter(|node| node.has_tag_name("arg"));
    let arguments = arguments.map(|argument| {
        let interface = argument.attribute("interface").map(str::to_owned);
        (argument.attribute("type").expect("a type").to_owned(), interface)
    });
    (message.attribute("name").expect("a name").to_owned(), arguments.collect())
}

/// The objects of a connection, as both ends know them.
struct World {
    protocols: Rc<Protocols>,
    interfaces: HashMap<ObjectId, String>,
}

impl World {
    fn signature(&self, object: ObjectId, kind: Kind, opcode: u16) -> (&str, &Signature) {
        let interface = &self.interfaces[&object];
        let signature = &self.protocols[&(interface.clone(), kind, opcode)];
        (interface, signature)
    }

    /// Reads a message by its signature, records the objects that it creates, and builds it again.
    fn follow(&mut self, kind: Kind, mut message: Message) -> (String, Message) {
        let (object, opcode, length) = (message.object(), message.opcode(), message.len());
        let (interface, (name, arguments)) = self.signature(object, kind, opcode);
        let (way, count) = (if kind == Kind::Request { "->" } else { "<-" }, message.fds().len());
        let mut line = format!("{way} {interface}@{object}.{name}({length})");
        if count > 0 {
            write!(line, " fds={count}").unwrap();
        }
        let (mut read, mut rebuilt) = (message.read(), Message::builder(object, opcode));
        let mut made = Vec::new();
        for (argument, interface) in arguments {
            rebuilt = match (&**argument, interface) {
                ("int", _) => rebuilt.int(read.int().unwrap()),
                ("uint", _) => rebuilt.uint(read.uint().unwrap()),
                ("fixed", _) => rebuilt.fixed(read.fixed().unwrap()),
                ("object", _) => rebuilt.object(read.optional_object().unwrap()),
                ("string", _) => match read.optional_string().unwrap() {
                    Some(text) => rebuilt.string(text.to_bytes()),
                    None => rebuilt.null_string(),
                },
                ("array", _) => rebuilt.array(read.array().unwrap()),
                ("fd", _) => rebuilt.fd(read.fd().unwrap()),
                ("new_id", Some(interface)) => {
                    let id = read.new_id().unwrap();
                    made.push((id, interface.clone()));
                    rebuilt.new_id(id)
                }
                ("new_id", None) => {
                    let (interface, version, id) = read.untyped_new_id().unwrap();
                    let interface = interface.to_str().unwrap();
                    made.push((id, interface.to_owned()));
                    rebuilt.untyped_new_id(interface, version, id)
                }
                other => panic!("{other:?}"),
            };
        }
        read.finish().unwrap();
        self.interfaces.extend(made);
        (line, rebuilt.build().unwrap())
    }
}

/// The signatures of the messages of one direction.
struct Follower {
    world: Rc<RefCell<World>>,
    kind: Kind,
}

impl Signatures for Follower {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        let world = self.world.borrow();
        let (_, (_, arguments)) = world.signature(object, self.kind, opcode);
        arguments.iter().filter(|(argument, _)| argument == "fd").count()
    }
}

/// One direction: a foreign peer with the connection that receives from it, and a second pair over which
/// the messages are sent again.
struct Direction {
    foreign: StdUnixStream,
    ours: Connection<Follower>,
    sends: Connection<Counts>,
    receives: StdUnixStream,
}

impl Direction {
    fn new(world: &Rc<RefCell<World>>, kind: Kind) -> Direction {
        let (near, foreign) = StdUnixStream::pair().unwrap();
        let follower = Follower { world: world.clone(), kind };
        let ours = Connection::new(near, follower, Limits::default()).unwrap();
        let (near, receives) = StdUnixStream::pair().unwrap();
        Direction { foreign, ours, sends: connection(near, Limits::default()), receives }
    }
}

/// Replays the calls. Returns a line for each call and each message, and the calls in the form of a
/// summary.
async fn replay(protocols: Rc<Protocols>, calls: &[Call]) -> (String, Vec<Line>) {
    let interfaces = HashMap::from([(ObjectId::DISPLAY, "wl_display".to_owned())]);
    let world = Rc::new(RefCell::new(World { protocols, interfaces }));
    let mut requests = Direction::new(&world, Kind::Request);
    let mut events = Direction::new(&world, Kind::Event);
    let (mut story, mut lines) = (String::new(), Vec::new());
    for call in calls {
        let direction = if call.kind == Kind::Request { &mut requests } else { &mut events };
        let fds = memfds(call.fds);
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let sets: &[&[_]] = if fds.is_empty() { &[] } else { &[&borrowed] };
        assert_eq!(foreign_send(&direction.foreign, &call.bytes, sets), Ok(call.bytes.len()));
        writeln!(story, "{} bytes, {} fds", call.bytes.len(), call.fds).unwrap();

        let (mut messages, mut came) = (Vec::new(), Vec::new());
        while let Some(message) = at_once(direction.ours.receive()).await {
            let message = message.unwrap().expect("the stream goes on");
            came.extend(identities(message.fds()));
            let (object, opcode, length) = (message.object(), message.opcode(), message.len());
            messages.push(format!("{object}.{opcode}({length}B)"));
            let (line, rebuilt) = world.borrow_mut().follow(call.kind, message);
            writeln!(story, "  {line}").unwrap();
            direction.sends.feed(rebuilt).await.unwrap();
        }
        assert_eq!(came, identities(&fds), "all of a call are of its own messages, in order");

        // The rebuilt messages must be sent as the same call.
        direction.sends.flush().await.unwrap();
        let (bytes, resent, _) = foreign_receive(&direction.receives, 128);
        assert!(bytes == call.bytes, "{story}");
        assert_eq!(identities(resent), identities(&fds));
        let stream = if call.kind == Kind::Request { "sendmsg" } else { "recvmsg" };
        let (length, fds) = (call.bytes.len(), call.fds);
        lines.push(Line { stream: stream.to_owned(), length, fds, messages });
    }
    for mut direction in [requests, events] {
        drop(direction.foreign);
        // The trace ends with a complete message.
        assert!(direction.ours.receive().await.unwrap().is_none(), "{story}");
    }
    (story, lines)
}

#[test]
fn every_capture_in_the_directory_is_replayed() {
    guarded(|| {
        let entries = std::fs::read_dir(directory()).unwrap();
        let found: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let both = TRACES.iter().flat_map(|name| ["strace", "decoded"].map(|end| (name, end)));
        let one = SUMMARIES.iter().map(|name| (name, "decoded"));
        let expected = both.chain(one).map(|(name, end)| format!("{name}.{end}")).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn every_capture_has_both_sides() {
    guarded(|| {
        for name in TRACES {
            let calls = parse(name);
            for kind in [Kind::Request, Kind::Event] {
                assert!(calls.iter().any(|call| call.kind == kind), "{name}");
            }
        }
        assert!(TRACES.iter().flat_map(|name| parse(name)).any(|call| call.fds > 0));
    });
}

#[test]
fn every_capture_decodes_and_is_sent_with_the_same_bytes() {
    run(async {
        let protocols = Rc::new(protocols());
        for name in TRACES {
            let (story, lines) = replay(protocols.clone(), &parse(name)).await;
            let summary = summary(name);
            // A long trace was cut, and its summary was not.
            assert!(lines.len() <= summary.len(), "{name}");
            assert!(lines.len() == summary.len() || name == "weston-simple-shm", "{name}");
            for (ours, theirs) in lines.iter().zip(&summary) {
                assert!(theirs.stream.starts_with(&ours.stream), "{name}: {theirs:?}");
                assert_eq!((ours.length, ours.fds), (theirs.length, theirs.fds), "{name}");
                assert_eq!(ours.messages, theirs.messages, "{name}");
            }
            insta::assert_snapshot!(name, story);
        }
    });
}

/// The object, the opcode and the length of a message in a summary.
fn parts(message: &str) -> (u32, u16, u32) {
    let (object, rest) = message.split_once('.').expect("an object");
    let (opcode, length) = rest.split_once('(').expect("an opcode");
    let length = length.strip_suffix("B)").expect("a length");
    (object.parse().unwrap(), opcode.parse().unwrap(), length.parse().unwrap())
}

#[test]
fn every_call_of_a_summary_decodes_into_its_messages() {
    run(async {
        for name in TRACES.iter().chain(&SUMMARIES) {
            let mut streams = HashMap::new();
            for line in summary(name) {
                // A summary does not assign the descriptors, so the last message gets them.
                let (ours, foreign, claim) =
                    streams.entry(line.stream.clone()).or_insert_with(|| {
                        let (near, foreign) = StdUnixStream::pair().unwrap();
                        let claim = Rc::new(RefCell::new((0, 0)));
                        let claims = claim.clone();
                        let counts = move |_: ObjectId, _: u16| {
                            let (left, fds): &mut (usize, usize) = &mut claims.borrow_mut();
                            *left -= 1;
                            if *left == 0 { *fds } else { 0 }
                        };
                        let ours = Connection::new(near, counts, Limits::default()).unwrap();
                        (ours, foreign, claim)
                    });
                *claim.borrow_mut() = (line.messages.len(), line.fds);
                let bytes: Vec<u8> = line
                    .messages
                    .iter()
                    .flat_map(|message| {
                        let (object, opcode, length) = parts(message);
                        let mut bytes = header(object, opcode, length).to_vec();
                        bytes.resize(length as usize, 0);
                        bytes
                    })
                    .collect();
                assert_eq!(bytes.len(), line.length, "{name}");
                let fds = memfds(line.fds);
                let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                let sets: &[&[_]] = if fds.is_empty() { &[] } else { &[&borrowed] };
                foreign_send(foreign, &bytes, sets).unwrap();
                let mut came = Vec::new();
                while let Some(message) = at_once(ours.receive()).await {
                    let message = message.unwrap().expect("the stream goes on");
                    let length = message.len();
                    came.push(format!("{}.{}({length}B)", message.object(), message.opcode()));
                    let last = came.len() == line.messages.len();
                    let expected = if last { identities(&fds) } else { Vec::new() };
                    assert_eq!(identities(message.fds()), expected);
                }
                assert_eq!(came, line.messages, "{name}");
            }
        }
    });
}
