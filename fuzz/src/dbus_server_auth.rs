//! The server's side of the handshake of D-Bus.

use anchovy_dbus::auth::{Event, Mechanism, ServerAuth};
use anchovy_dbus::{Guid, HandshakeLimits};

use crate::auth::{Course, End, Received, check_cut, cut, cuts, fds, limits, lines};
use crate::input::Input;

const GUID: &str = "0123456789abcdef0123456789abcdef";

/// The uid of the client.
const UID: u32 = 1000;

/// Reads the answers of the program, limits and cuts from the input. The rest is the client's bytes.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let options = Options {
        limits: limits(&mut input),
        anonymous: input.byte().is_multiple_of(2),
        unix_fds: !input.byte().is_multiple_of(4),
        // A bit for each request that the program accepts.
        accepted: !input.byte(),
    };
    let cuts = cuts(&mut input);
    let bytes = input.rest();

    let whole = serve(&options, &[(bytes, 0)]);
    check(&options, bytes, &whole);
    let received = cut(bytes, &cuts);
    check_cut(&whole, &serve(&options, &received), &received, bytes.len());
}

struct Options {
    limits: HandshakeLimits,
    anonymous: bool,
    unix_fds: bool,
    accepted: u8,
}

fn serve(options: &Options, received: &[Received<'_>]) -> Course {
    let guid: Guid = GUID.parse().expect("a guid");
    let mut auth = ServerAuth::new(guid, Some(UID), options.limits.clone());
    if options.anonymous {
        auth.set_mechanisms(&[Mechanism::External, Mechanism::Anonymous]);
    }
    auth.set_unix_fds(options.unix_fds);
    let (mut output, mut events, mut end) = (Vec::new(), Vec::new(), End::Open);
    let mut requests = 0;
    for (bytes, count) in received {
        auth.receive(bytes, fds(*count));
        while end == End::Open {
            match auth.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Request(request))) => {
                    events.push(format!("{request:?}"));
                    let answered = if options.accepted >> (requests % 8) & 1 == 1 {
                        auth.accept()
                    } else {
                        auth.reject()
                    };
                    requests += 1;
                    if let Err(error) = answered {
                        end = End::Failed(format!("{error:?}"));
                    }
                }
                Ok(Some(Event::Begin)) => end = End::Begun,
                Ok(Some(other)) => events.push(format!("{other:?}")),
                Err(error) => end = End::Failed(format!("{error:?}")),
            }
        }
        output.extend_from_slice(&auth.take_output());
        if matches!(end, End::Failed(_)) {
            let later = auth.next_event();
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
    let output = lines(&course.output);
    let count = |start: &str| output.iter().filter(|line| line.starts_with(start)).count();
    let limits = &options.limits;
    assert!(count("REJECTED") <= limits.max_rejects.max(1));
    assert!(count("ERROR") <= limits.max_errors.max(1));
    let mechanisms =
        if options.anonymous { "REJECTED EXTERNAL ANONYMOUS" } else { "REJECTED EXTERNAL" };
    for line in &output {
        let known = *line == format!("OK {GUID}")
            || *line == mechanisms
            || *line == "AGREE_UNIX_FD"
            || *line == "DATA"
            || line.starts_with("ERROR ");
        assert!(known, "{line:?}");
    }
    assert!(options.unix_fds || !course.unix_fds);
    if course.end != End::Begun {
        return;
    }
    let handshake = &bytes[..bytes.len() - course.rest.len()];
    assert!(handshake.len() <= limits.max_bytes);
    assert_eq!(handshake.first(), Some(&0));
    let text = std::str::from_utf8(&handshake[1..]).unwrap_or_default();
    assert!(handshake.ends_with(b"\r\nBEGIN\r\n"), "only this line begins: {text:?}");
    // Each line but the last one has one reply.
    let sent = handshake[1..].windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!(output.len(), sent - 1, "{text:?} {output:?}");
    // The server has accepted the client, and not rejected it after that.
    let is_authenticated = output.iter().fold(false, |is_authenticated, line| {
        (is_authenticated || line.starts_with("OK ")) && !line.starts_with("REJECTED")
    });
    assert!(is_authenticated, "{text:?} {output:?}");
    assert_eq!(&bytes[handshake.len()..], course.rest);
    if course.unix_fds {
        assert!(count("AGREE_UNIX_FD") > 0);
    }
}
