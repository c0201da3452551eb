//! The client's side of the handshake of D-Bus.

use anchovy_dbus::HandshakeLimits;
use anchovy_dbus::auth::{ClientAuth, Login, Reply};

use crate::auth::{Course, End, Received, check_cut, cut, cuts, fds, limits, lines};
use crate::input::Input;

/// Reads what the program does, limits and cuts from the input. The rest is the server's bytes.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(&mut input);
    let choice = input.byte();
    let options = Options {
        limits,
        login: [Login::External, Login::ExternalUid(1000), Login::Anonymous]
            [usize::from(choice % 3)],
        is_pipelined: choice & 0x40 == 0,
        unix_fds: choice & 0x80 == 0,
    };
    let cuts = cuts(&mut input);
    let bytes = input.rest();

    let whole = ask(&options, &[(bytes, 0)]);
    check(&options, bytes, &whole);
    let received = cut(bytes, &cuts);
    check_cut(&whole, &ask(&options, &received), &received, bytes.len());
}

struct Options {
    limits: HandshakeLimits,
    login: Login,
    is_pipelined: bool,
    unix_fds: bool,
}

impl Options {
    fn start(&self, auth: &mut ClientAuth) {
        if self.is_pipelined {
            auth.set_unix_fds(self.unix_fds);
            auth.pipeline(self.login).expect("the first line");
        } else {
            auth.authenticate(self.login).expect("the first line");
        }
    }

    /// Does the next step after a reply. Returns whether the handshake is complete.
    fn go_on(&self, auth: &mut ClientAuth, reply: &Reply) -> bool {
        if self.is_pipelined {
            return auth.is_answered();
        }
        match reply {
            Reply::Accepted(_) if self.unix_fds => {
                auth.negotiate_unix_fd().expect("after OK");
                false
            }
            Reply::Accepted(_) | Reply::UnixFds(_) => {
                auth.begin().expect("after OK");
                true
            }
            Reply::Rejected(_) => {
                auth.authenticate(Login::Anonymous).expect("after REJECTED");
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

fn ask(options: &Options, received: &[Received<'_>]) -> Course {
    let mut auth = ClientAuth::new(options.limits.clone());
    options.start(&mut auth);
    let mut output = auth.take_output().to_vec();
    let (mut events, mut end) = (Vec::new(), End::Open);
    for (bytes, count) in received {
        auth.receive(bytes, fds(*count));
        while !matches!(end, End::Failed(_)) {
            match auth.next_reply() {
                Ok(None) => break,
                Ok(Some(reply)) => {
                    events.push(format!("{reply:?}"));
                    if options.go_on(&mut auth, &reply) {
                        end = End::Begun;
                    }
                }
                Err(error) => end = End::Failed(format!("{error:?}")),
            }
        }
        output.extend_from_slice(&auth.take_output());
        if matches!(end, End::Failed(_)) {
            let later = auth.next_reply();
            assert!(later.is_err(), "a handshake that failed stays so: {later:?}");
            break;
        }
    }
    let unix_fds = auth.unix_fds();
    let (mut rest, mut sets) = (Vec::new(), Vec::new());
    match auth.into_rest() {
        Ok((bytes, kept)) => {
            rest = bytes.to_vec();
            sets.extend(kept.into_iter().map(|set| (set.range, set.fds.len())));
        }
        Err(error) => end = End::Failed(format!("{error:?}")),
    }
    if matches!(end, End::Failed(_)) {
        rest.clear();
        sets.clear();
    }
    Course { output, events, end, unix_fds, rest, sets }
}

/// Checks the course of bytes that came in one receive.
fn check(options: &Options, bytes: &[u8], course: &Course) {
    assert_eq!(course.output.first(), Some(&0));
    let output = lines(&course.output[1..]);
    let begins = output.iter().filter(|line| **line == "BEGIN").count();
    assert!(begins <= 1, "{output:?}");
    if course.end != End::Begun {
        return;
    }
    assert_eq!((output.last(), begins), (Some(&"BEGIN"), 1));
    let handshake = &bytes[..bytes.len() - course.rest.len()];
    assert!(handshake.len() <= options.limits.max_bytes);
    assert!(handshake.ends_with(b"\r\n"));
    assert_eq!(&bytes[handshake.len()..], course.rest);
    let replies: Vec<_> = handshake.split(|byte| *byte == b'\n').collect();
    let has_guid = |line: &&[u8]| line.len() == 36 && line.starts_with(b"OK ");
    assert!(replies.iter().any(has_guid), "{replies:?}");
    // The negotiation comes last; a line before the `OK` agrees to nothing.
    let agreed = handshake.ends_with(b"\r\nAGREE_UNIX_FD\r\n");
    assert_eq!(course.unix_fds, agreed && options.unix_fds);
}
