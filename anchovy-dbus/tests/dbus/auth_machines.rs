//! Runs the two state machines of the handshake without a socket, and records the results.

use std::ops::Range;

use anchovy::codec::FdSet;
use anchovy_dbus::auth::{ClientAuth, Event, Login, Mechanism, Reply, ServerAuth};
use anchovy_dbus::{HandshakeError, HandshakeLimits};
use bytes::BytesMut;

use crate::harness::*;

/// The reply of a server that accepts a client.
pub(crate) const OK: &str = "OK 0123456789abcdef0123456789abcdef\r\n";

/// The uid of the client that the kernel reports.
pub(crate) const UID: u32 = 1000;

/// The same uid, in hex.
pub(crate) const HEX: &str = "31303030";

/// The bytes of one receive, and the number of descriptors that arrive with them.
pub(crate) type Received = (Vec<u8>, usize);

/// The bytes and descriptors after a handshake.
type Rest = (BytesMut, Vec<FdSet>);

/// The end of a handshake.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// The handshake is not complete.
    Open,
    /// `BEGIN` was sent.
    Begun,
    /// The handshake failed with this error.
    Closed(String),
}

/// The results of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Story {
    /// The whole output.
    pub(crate) said: String,
    /// The events or replies, as text.
    pub(crate) events: Vec<String>,
    pub(crate) end: End,
    pub(crate) unix_fds: bool,
    /// The bytes after the handshake, and the numbers of descriptors with their ranges.
    pub(crate) rest: (Vec<u8>, Vec<(Range<usize>, usize)>),
}

pub(crate) fn closed(error: &HandshakeError) -> End {
    End::Closed(format!("{error:?}"))
}

/// Creates a server that offers both mechanisms. `EXTERNAL` requires [`UID`].
pub(crate) fn server_auth(limits: &HandshakeLimits) -> ServerAuth {
    let mut auth = ServerAuth::new(guid(), Some(UID), limits.clone());
    auth.set_mechanisms(&[Mechanism::External, Mechanism::Anonymous]);
    auth
}

/// Runs a server with these receives. It accepts all requests.
pub(crate) fn serve(mut auth: ServerAuth, received: &[Received]) -> Story {
    let (mut said, mut events, mut end) = (Vec::new(), Vec::new(), End::Open);
    for (bytes, fds) in received {
        auth.receive(bytes, memfds(*fds));
        while end == End::Open {
            let event = auth.next_event();
            match event {
                Ok(None) => {}
                Ok(Some(Event::Request(request))) => {
                    events.push(match request.uid {
                        Some(uid) => format!("{} of {uid}", request.mechanism),
                        None => request.mechanism.to_string(),
                    });
                    auth.accept().unwrap();
                    continue;
                }
                Ok(Some(Event::Cancelled)) => {
                    events.push("cancelled".to_owned());
                    continue;
                }
                Ok(Some(Event::Begin)) => end = End::Begun,
                Ok(Some(other)) => panic!("{other:?}"),
                Err(error) => end = closed(&error),
            }
            break;
        }
        said.extend(take_lines(auth.take_output()));
        if matches!(end, End::Closed(_)) {
            break;
        }
    }
    let unix_fds = auth.unix_fds();
    let rest = rest(auth.into_rest(), &mut end);
    story(said, events, end, unix_fds, rest)
}

/// The way in which a client performs the handshake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    Pipelined { login: Login, unix_fds: bool },
    Stepwise { login: Login, unix_fds: bool },
}

impl Manner {
    /// Makes the first request.
    pub(crate) fn start(self, auth: &mut ClientAuth) {
        match self {
            Manner::Pipelined { login, unix_fds } => {
                auth.set_unix_fds(unix_fds);
                auth.pipeline(login).unwrap();
            }
            Manner::Stepwise { login, .. } => auth.authenticate(login).unwrap(),
        }
    }

    /// Makes the next request after a reply. Returns whether the handshake is complete.
    pub(crate) fn go_on(self, auth: &mut ClientAuth, reply: &Reply) -> bool {
        match (self, reply) {
            (Manner::Pipelined { .. }, _) => auth.is_answered(),
            (_, Reply::Accepted(_)) if matches!(self, Manner::Stepwise { unix_fds: true, .. }) => {
                auth.negotiate_unix_fd().unwrap();
                false
            }
            (_, Reply::Accepted(_) | Reply::UnixFds(_)) => {
                auth.begin().unwrap();
                true
            }
            (_, Reply::Rejected(_)) => {
                auth.authenticate(Login::Anonymous).unwrap();
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a client with these receives.
pub(crate) fn ask(mut auth: ClientAuth, manner: Manner, received: &[Received]) -> Story {
    manner.start(&mut auth);
    let mut said = auth.take_output().to_vec();
    assert_eq!(said.first(), Some(&0));
    assert!(said.ends_with(b"\r\n"));
    let (mut events, mut end) = (Vec::new(), End::Open);
    for (bytes, fds) in received {
        auth.receive(bytes, memfds(*fds));
        while !matches!(end, End::Closed(_)) {
            match auth.next_reply() {
                Ok(None) => break,
                Ok(Some(reply)) => {
                    events.push(format!("{reply:?}"));
                    if manner.go_on(&mut auth, &reply) {
                        end = End::Begun;
                    }
                }
                Err(error) => end = closed(&error),
            }
        }
        said.extend(take_lines(auth.take_output()));
        if matches!(end, End::Closed(_)) {
            break;
        }
    }
    let unix_fds = auth.unix_fds();
    let rest = rest(auth.into_rest(), &mut end);
    story(said, events, end, unix_fds, rest)
}

/// Returns the rest, or an empty rest if the state machine returns an error.
fn rest(rest: Result<Rest, HandshakeError>, end: &mut End) -> Rest {
    rest.unwrap_or_else(|error| {
        *end = closed(&error);
        Rest::default()
    })
}

/// Returns the output. Asserts that it consists of whole lines of printable ASCII.
pub(crate) fn take_lines(output: impl AsRef<[u8]>) -> Vec<u8> {
    let output = output.as_ref();
    assert!(output.is_empty() || output.ends_with(b"\r\n"), "{output:?}");
    for line in output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let (end, line) = line.split_last().expect("a line");
        assert_eq!(*end, b'\r');
        assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        assert!(line[0].is_ascii_uppercase(), "{line:?}");
    }
    output.to_vec()
}

fn story(
    said: Vec<u8>,
    events: Vec<String>,
    end: End,
    unix_fds: bool,
    (bytes, sets): Rest,
) -> Story {
    let sets = sets.into_iter().map(|set| (set.range, set.fds.len())).collect();
    let said = String::from_utf8(said).expect("text");
    Story { said, events, end, unix_fds, rest: (bytes.to_vec(), sets) }
}

/// Splits bytes into receives of one byte.
pub(crate) fn byte_by_byte(bytes: &[u8]) -> Vec<Received> {
    bytes.iter().map(|&byte| (vec![byte], 0)).collect()
}

/// Runs a server with the default limits. Asserts that the results do not depend on whether the bytes
/// arrive at once or one by one.
pub(crate) fn serve_bytes(bytes: impl AsRef<[u8]>) -> Story {
    serve_bytes_within(&HandshakeLimits::default(), bytes)
}

/// Does the same as [`serve_bytes`] with these limits.
pub(crate) fn serve_bytes_within(limits: &HandshakeLimits, bytes: impl AsRef<[u8]>) -> Story {
    let bytes = bytes.as_ref();
    let at_once = serve(server_auth(limits), &[(bytes.to_vec(), 0)]);
    let one_by_one = serve(server_auth(limits), &byte_by_byte(bytes));
    if matches!(at_once.end, End::Closed(_)) {
        // Bytes after a failure are received in the first run only.
        assert_eq!((&at_once.said, &at_once.end), (&one_by_one.said, &one_by_one.end));
    } else {
        assert_eq!(at_once, one_by_one);
    }
    at_once
}

/// Runs a client with the default limits. Asserts that the results do not depend on whether the bytes
/// arrive at once or one by one.
pub(crate) fn ask_bytes(manner: Manner, bytes: impl AsRef<[u8]>) -> Story {
    ask_bytes_within(&HandshakeLimits::default(), manner, bytes)
}

/// Does the same as [`ask_bytes`] with these limits.
pub(crate) fn ask_bytes_within(
    limits: &HandshakeLimits,
    manner: Manner,
    bytes: impl AsRef<[u8]>,
) -> Story {
    let bytes = bytes.as_ref();
    let at_once = ask(ClientAuth::new(limits.clone()), manner, &[(bytes.to_vec(), 0)]);
    let one_by_one = ask(ClientAuth::new(limits.clone()), manner, &byte_by_byte(bytes));
    assert_eq!(at_once, one_by_one);
    at_once
}

/// Returns the default limits, for tests that change one of them.
pub(crate) fn limits() -> HandshakeLimits {
    HandshakeLimits::default()
}
