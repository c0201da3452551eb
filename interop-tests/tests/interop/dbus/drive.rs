//! The caller of a work, with anchovy-dbus.

use std::os::fd::AsFd;

use anchovy_dbus::{Connection, Message, MessageBuilder, MessageType};
use interop_tests::{Transcript, identities, memfds};

use super::*;

/// The work of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Sends a text, and receives it back.
    Call,
    /// Sends one descriptor, and receives it back.
    One,
    /// Sends three descriptors, receives them back, and receives two descriptors of the peer.
    Descriptors,
    /// Sends and receives the maximum number of descriptors that every peer supports.
    Sixteen,
    /// Sends the same number, and receives none.
    Sink,
    /// Sends more bytes than a socket holds, with a descriptor, and receives them back.
    Large,
    /// Sends calls with and without descriptors together. Only anchovy-dbus can do this.
    Batch,
}

impl Work {
    /// Returns the word for it in the scripts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Work::Call => "call",
            Work::One => "one",
            Work::Descriptors => "descriptors",
            Work::Sixteen => "sixteen",
            Work::Sink => "sink",
            Work::Large => "large",
            Work::Batch => unreachable!("no script does this"),
        }
    }
}

/// Does a work with the connection named `destination`, or with the peer itself. Returns the
/// identities of the descriptors that the peer gave of its own.
pub(crate) async fn drive(
    us: &mut Connection,
    destination: Option<&str>,
    work: Work,
    transcript: &Transcript,
) -> Vec<Identity> {
    let method = |member| {
        let call = Message::method_call(PATH, member).interface(INTERFACE);
        match destination {
            Some(name) => call.destination(name),
            None => call,
        }
    };
    match work {
        Work::Call => {
            let answer = ask(us, method("Echo").body("s", text("hello")), transcript).await;
            assert_eq!(text_of(&answer), "hello");
        }
        Work::Descriptors => {
            echo(us, method("Echo"), 3, transcript).await;
            let given = ask(us, method("Give"), transcript).await;
            assert_eq!(given.fds().len(), GIVEN);
            return identities_of(&given);
        }
        Work::One => echo(us, method("Echo"), 1, transcript).await,
        Work::Sixteen => echo(us, method("Echo"), 16, transcript).await,
        Work::Sink => {
            let call = method("Take").body("ah", indices(16)).fds(memfds(16));
            ask(us, call, transcript).await;
        }
        Work::Large => {
            let mut body = u32::try_from(LARGE).expect("32 bits").to_ne_bytes().to_vec();
            body.extend((0..LARGE).map(|at| (at / 7) as u8));
            body.extend_from_slice(&0_u32.to_ne_bytes());
            let fds = memfds(1);
            let expected = identities(&fds);
            let call = method("Echo").body("ayh", body.clone()).fds(fds);
            let answer = ask(us, call, transcript).await;
            assert!(answer.body()[..] == body, "the same bytes");
            assert_eq!(identities_of(&answer), expected);
        }
        Work::Batch => {
            let sets: Vec<_> = [0, 2, 0, 0, 1, 16, 0, 1, 0].map(memfds).into();
            let expected: Vec<_> = sets.iter().map(identities).collect();
            for fds in sets {
                let call = method("Echo").body("ah", indices(fds.len())).fds(fds).build();
                us.feed(call.expect("a good call")).await.expect("room");
            }
            us.flush().await.expect("it is sent");
            for expected in expected {
                let answer = answer(us, transcript).await;
                assert_eq!(identities_of(&answer), expected);
            }
        }
    }
    Vec::new()
}

/// Sends this number of descriptors, and receives them back.
async fn echo(
    us: &mut Connection,
    call: MessageBuilder<'_>,
    count: usize,
    transcript: &Transcript,
) {
    let fds = memfds(count);
    let expected = identities(fds.iter().map(AsFd::as_fd));
    let answer = ask(us, call.body("ah", indices(count)).fds(fds), transcript).await;
    assert_eq!(identities_of(&answer), expected);
}

/// Calls a method, and waits for its answer, which must not be an error.
pub(crate) async fn ask(
    us: &mut Connection,
    call: MessageBuilder<'_>,
    transcript: &Transcript,
) -> Message {
    let call = call.build().expect("a good call");
    transcript.note(format!("we > {}", line(&call)));
    let serial = us.send(call).await.expect("it is sent");
    let answer = answer(us, transcript).await;
    assert_eq!(answer.header().reply_serial(), Some(serial));
    answer
}

/// Returns the next answer. Signals of a bus about names are skipped.
async fn answer(us: &mut Connection, transcript: &Transcript) -> Message {
    loop {
        let message = received(us).await.expect("an answer");
        if message.header().message_type() == MessageType::Signal {
            continue;
        }
        transcript.note(format!("we < {}", line(&message)));
        assert_eq!(message.header().message_type(), MessageType::MethodReturn, "{message:?}");
        return message;
    }
}
