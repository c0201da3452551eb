//! The two machines of the handshake, called in every order, with every reply of the peer.

use anchovy_dbus::auth::{ClientAuth, Event, Login, Mechanism, ServerAuth};
use anchovy_dbus::{Guid, HandshakeError, HandshakeLimits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use crate::auth_machines::*;
use crate::auth_properties::{any_limits, property};
use crate::harness::*;

/// One call of a method of a client, or a few.
#[derive(Clone, Debug)]
enum ClientCall {
    Authenticate(Login),
    NegotiateUnixFd,
    Begin,
    Cancel,
    Pipeline(Login),
    SetUnixFds(bool),
    ExpectGuid(Guid),
    Receive(Vec<&'static str>, usize),
    NextReply,
    AllReplies,
    TakeOutput,
}

impl ClientCall {
    /// What the call returns, in words.
    fn call(&self, auth: &mut ClientAuth) -> Result<String, HandshakeError> {
        match self {
            ClientCall::Authenticate(login) => auth.authenticate(*login)?,
            ClientCall::NegotiateUnixFd => auth.negotiate_unix_fd()?,
            ClientCall::Begin => auth.begin()?,
            ClientCall::Cancel => auth.cancel()?,
            ClientCall::Pipeline(login) => auth.pipeline(*login)?,
            ClientCall::SetUnixFds(wanted) => auth.set_unix_fds(*wanted),
            ClientCall::ExpectGuid(guid) => auth.expect_guid(*guid),
            ClientCall::Receive(lines, fds) => {
                auth.receive(lines.concat().as_bytes(), memfds(*fds));
            }
            ClientCall::NextReply => return Ok(format!("{:?}", auth.next_reply()?)),
            ClientCall::AllReplies => {
                let mut replies = Vec::new();
                while let Some(reply) = auth.next_reply()? {
                    replies.push(reply);
                }
                return Ok(format!("{replies:?}"));
            }
            ClientCall::TakeOutput => {
                let output = auth.take_output();
                take_lines(output.strip_prefix(b"\0").unwrap_or(&output));
                return Ok(format!("{output:?}"));
            }
        }
        Ok(String::new())
    }
}

fn client_calls() -> impl Strategy<Value = Vec<ClientCall>> {
    let login = || select(vec![Login::External, Login::ExternalUid(UID), Login::Anonymous]);
    let other = Guid::parse(b"ffffffffffffffffffffffffffffffff").unwrap();
    let good =
        select(vec![OK, "DATA\r\n", "REJECTED EXTERNAL\r\n", "ERROR\r\n", "AGREE_UNIX_FD\r\n"]);
    let bad = select(vec!["DATA 61\r\n", "HELLO\r\n", "\r\n", "", "OK", "l\x01\x02\x03"]);
    let lines = vec(prop_oneof![9 => good, 1 => bad], 1..6);
    let fds = prop_oneof![19 => Just(0), 1 => 1..3_usize];
    let call = prop_oneof![
        4 => login().prop_map(ClientCall::Authenticate),
        2 => Just(ClientCall::NegotiateUnixFd),
        2 => Just(ClientCall::Begin),
        2 => Just(ClientCall::Cancel),
        2 => login().prop_map(ClientCall::Pipeline),
        1 => any::<bool>().prop_map(ClientCall::SetUnixFds),
        1 => select(vec![guid(), other]).prop_map(ClientCall::ExpectGuid),
        6 => (lines, fds).prop_map(|(lines, fds)| ClientCall::Receive(lines, fds)),
        3 => Just(ClientCall::NextReply),
        6 => Just(ClientCall::AllReplies),
        2 => Just(ClientCall::TakeOutput),
    ];
    vec(call, 0..20)
}

/// One call of a method of a server.
#[derive(Clone, Debug)]
enum ServerCall {
    Accept,
    Reject,
    SetUnixFds(bool),
    SetMechanisms(&'static [Mechanism]),
    Receive(&'static str, usize),
    NextEvent,
    TakeOutput,
}

impl ServerCall {
    /// What the call returns, in words.
    fn call(&self, auth: &mut ServerAuth) -> Result<String, HandshakeError> {
        match self {
            ServerCall::Accept => auth.accept()?,
            ServerCall::Reject => auth.reject()?,
            ServerCall::SetUnixFds(offered) => auth.set_unix_fds(*offered),
            ServerCall::SetMechanisms(mechanisms) => auth.set_mechanisms(mechanisms),
            ServerCall::Receive(line, fds) => auth.receive(line.as_bytes(), memfds(*fds)),
            ServerCall::NextEvent => return Ok(format!("{:?}", auth.next_event()?)),
            ServerCall::TakeOutput => {
                return Ok(format!("{:?}", take_lines(auth.take_output())));
            }
        }
        Ok(String::new())
    }
}

fn server_calls() -> impl Strategy<Value = Vec<ServerCall>> {
    let lines = select(vec![
        "AUTH EXTERNAL 31303030\r\n",
        "AUTH EXTERNAL\r\n",
        "AUTH ANONYMOUS 6162\r\n",
        "AUTH EXTERNAL 30\r\n",
        "DATA\r\n",
        "NEGOTIATE_UNIX_FD\r\n",
        "CANCEL\r\n",
        "ERROR\r\n",
        "BEGIN\r\n",
        "HELLO\r\n",
        "",
        "l\x01\x02\x03",
    ]);
    let fds = prop_oneof![9 => Just(0), 1 => 1..3_usize];
    let mechanisms = select(vec![
        &[][..],
        &[Mechanism::Anonymous],
        &[Mechanism::External, Mechanism::Anonymous],
    ]);
    let call = prop_oneof![
        3 => Just(ServerCall::Accept),
        2 => Just(ServerCall::Reject),
        1 => any::<bool>().prop_map(ServerCall::SetUnixFds),
        1 => mechanisms.prop_map(ServerCall::SetMechanisms),
        9 => (lines, fds).prop_map(|(line, fds)| ServerCall::Receive(line, fds)),
        9 => Just(ServerCall::NextEvent),
        2 => Just(ServerCall::TakeOutput),
    ];
    let first = prop_oneof![9 => Just("\0"), 1 => Just("")];
    (first, vec(call, 0..30))
        .prop_map(|(first, calls)| [vec![ServerCall::Receive(first, 0)], calls].concat())
}

/// Makes all calls, and then those alone that were not refused: the others must have changed
/// nothing. Returns the machine of the second time if none of its calls failed.
fn without_refused_calls<M, C>(
    machine: impl Fn() -> M,
    call: impl Fn(&C, &mut M) -> Result<String, HandshakeError>,
    calls: &[C],
) -> Result<Option<M>, TestCaseError> {
    let mut all = machine();
    let mut outcomes = Vec::new();
    for next in calls {
        let outcome = call(next, &mut all);
        if !matches!(outcome, Err(HandshakeError::OutOfOrder { .. })) {
            outcomes.push((next, outcome));
        }
    }
    let mut repeated = machine();
    let mut failure = None;
    for (next, expected) in outcomes {
        let outcome = call(next, &mut repeated);
        prop_assert_eq!(format!("{outcome:?}"), format!("{expected:?}"));
        // Once it has failed, it fails in the same way.
        let error = outcome.err().map(|error| format!("{error:?}"));
        prop_assert!(failure.is_none() || error.is_none() || failure == error);
        failure = failure.or(error);
    }
    Ok(failure.is_none().then_some(repeated))
}

fn is_out_of_order(outcome: Result<(), HandshakeError>) -> bool {
    matches!(outcome, Err(HandshakeError::OutOfOrder { .. }))
}

#[test]
fn no_order_of_calls_makes_a_client_panic_or_wait_for_nothing() {
    property((any_limits(), client_calls()), |(limits, calls)| {
        let machine = || ClientAuth::new(limits.clone());
        let kept = without_refused_calls(machine, ClientCall::call, &calls)?;
        let Some(mut auth) = kept else { return Ok(()) };
        // Each reply takes a line, of which each call brings five at most.
        let mut replies = 0;
        let failed = loop {
            match auth.next_reply() {
                Ok(None) => break false,
                Ok(Some(_)) => replies += 1,
                Err(_) => break true,
            }
            prop_assert!(replies <= 5 * calls.len());
        };
        if failed {
            return Ok(());
        }
        let has_begun = calls.iter().any(|call| matches!(call, ClientCall::Begin))
            || calls.iter().any(|call| matches!(call, ClientCall::Pipeline(_)));
        let can_go_on = !auth.is_answered()
            || auth.guid().is_some() && (has_begun || auth.begin().is_ok())
            || auth.authenticate(Login::External).is_ok();
        prop_assert!(can_go_on);
        let agreed = auth.unix_fds() && auth.is_answered();
        if let Ok((_, sets)) = auth.into_rest() {
            prop_assert!(sets.is_empty() || agreed);
        }
        Ok(())
    });
}

#[test]
fn no_order_of_calls_makes_a_server_panic_or_wait_for_nothing() {
    // Bounds that end no handshake before it is over.
    let limits = HandshakeLimits { max_rejects: 100, max_errors: 100, ..limits() };
    property(server_calls(), |calls| {
        let machine = || server_auth(&limits);
        let kept = without_refused_calls(machine, ServerCall::call, &calls)?;
        let Some(mut auth) = kept else { return Ok(()) };
        // Whatever has happened, the client can authenticate again if it has not begun.
        auth.set_mechanisms(&[Mechanism::External]);
        auth.receive(b"\r\nCANCEL\r\nAUTH EXTERNAL 31303030\r\nBEGIN\r\n", Vec::new());
        let mut events = 0;
        let outcome = loop {
            match auth.next_event() {
                Ok(Some(Event::Request(_))) => auth.accept().unwrap(),
                Ok(Some(Event::Cancelled)) => {}
                outcome => break outcome,
            }
            events += 1;
            prop_assert!(events <= 2 * calls.len() + 3);
        };
        match outcome {
            Ok(Some(Event::Begin)) | Err(_) => {}
            // No NUL has come, and the received data in its place is the first byte of these lines.
            other => panic!("{other:?}"),
        }
        let agreed = auth.unix_fds();
        if let Ok((_, sets)) = auth.into_rest() {
            prop_assert!(sets.is_empty() || agreed);
        }
        Ok(())
    });
}

#[test]
fn a_client_that_has_failed_stays_failed_and_says_nothing_more() {
    property((any_limits(), client_calls(), client_calls()), |(limits, calls, more)| {
        let mut auth = ClientAuth::new(limits);
        let failing = |call: &ClientCall| call.call(&mut auth).err().filter(is_failure);
        let Some(error) = calls.iter().find_map(failing) else { return Ok(()) };
        let error = format!("{error:?}");
        auth.take_output();
        for call in more {
            match (&call, call.call(&mut auth)) {
                (_, Err(repeated)) => prop_assert_eq!(format!("{repeated:?}"), error.as_str()),
                (ClientCall::TakeOutput, Ok(output)) => prop_assert_eq!(output, "b\"\""),
                (
                    ClientCall::SetUnixFds(_) | ClientCall::ExpectGuid(_) | ClientCall::Receive(..),
                    Ok(_),
                ) => {}
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(format!("{:?}", auth.into_rest().unwrap_err()), error);
        Ok(())
    });
}

#[test]
fn a_server_that_has_failed_stays_failed_and_says_nothing_more() {
    property((any_limits(), server_calls(), server_calls()), |(limits, calls, more)| {
        let mut auth = server_auth(&limits);
        let failing = |call: &ServerCall| call.call(&mut auth).err().filter(is_failure);
        let Some(error) = calls.iter().find_map(failing) else { return Ok(()) };
        let error = format!("{error:?}");
        auth.take_output();
        for call in more {
            match (&call, call.call(&mut auth)) {
                (_, Err(repeated)) => prop_assert_eq!(format!("{repeated:?}"), error.as_str()),
                (ServerCall::TakeOutput, Ok(output)) => prop_assert_eq!(output, "[]"),
                (
                    ServerCall::SetUnixFds(_)
                    | ServerCall::SetMechanisms(_)
                    | ServerCall::Receive(..),
                    Ok(_),
                ) => {}
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(format!("{:?}", auth.into_rest().unwrap_err()), error);
        Ok(())
    });
}

fn is_failure(error: &HandshakeError) -> bool {
    !matches!(error, HandshakeError::OutOfOrder { .. })
}

#[test]
fn a_client_refuses_calls_out_of_order_and_goes_on() {
    let mut auth = ClientAuth::new(limits());
    assert!(is_out_of_order(auth.negotiate_unix_fd()));
    assert!(is_out_of_order(auth.begin()));
    assert!(is_out_of_order(auth.cancel()));
    auth.authenticate(Login::External).unwrap();
    assert!(is_out_of_order(auth.authenticate(Login::External)));
    assert!(is_out_of_order(auth.pipeline(Login::External)));
    // The server wants DATA first.
    assert!(is_out_of_order(auth.negotiate_unix_fd()));
    auth.receive(format!("DATA\r\n{OK}").as_bytes(), Vec::new());
    assert!(auth.next_reply().unwrap().is_some());
    assert!(is_out_of_order(auth.authenticate(Login::External)));
    assert!(is_out_of_order(auth.pipeline(Login::External)));
    auth.begin().unwrap();
    assert!(is_out_of_order(auth.begin()));
    assert!(is_out_of_order(auth.cancel()));
    assert!(is_out_of_order(auth.negotiate_unix_fd()));
    assert!(is_out_of_order(auth.authenticate(Login::External)));
    assert!(is_out_of_order(auth.pipeline(Login::External)));
    assert_eq!(&auth.take_output()[..], b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
}

#[test]
fn a_second_ok_after_pipeline_and_authenticate_does_not_panic() {
    let mut auth = ClientAuth::new(limits());
    auth.pipeline(Login::External).unwrap();
    assert!(is_out_of_order(auth.authenticate(Login::External)));
    auth.receive(format!("{OK}{OK}AGREE_UNIX_FD\r\n{OK}").as_bytes(), Vec::new());
    while auth.next_reply().unwrap().is_some() {}
    assert!(auth.is_answered() && auth.unix_fds());
    assert_eq!(auth.into_rest().unwrap().0, OK);
}

#[test]
fn an_agreement_after_cancel_has_no_effect() {
    let mut auth = ClientAuth::new(limits());
    auth.authenticate(Login::Anonymous).unwrap();
    auth.receive(OK.as_bytes(), Vec::new());
    auth.next_reply().unwrap();
    auth.negotiate_unix_fd().unwrap();
    auth.cancel().unwrap();
    auth.receive(format!("AGREE_UNIX_FD\r\nREJECTED ANONYMOUS\r\n{OK}").as_bytes(), Vec::new());
    while auth.next_reply().unwrap().is_some() {}
    auth.authenticate(Login::Anonymous).unwrap();
    assert!(auth.next_reply().unwrap().is_some());
    auth.begin().unwrap();
    assert!(!auth.unix_fds());
}

#[test]
fn a_server_refuses_a_decision_that_nobody_asked_for() {
    let mut auth = server_auth(&limits());
    assert!(is_out_of_order(auth.accept()));
    assert!(is_out_of_order(auth.reject()));
    auth.receive(format!("\0AUTH EXTERNAL {HEX}\r\n").as_bytes(), Vec::new());
    assert!(is_out_of_order(auth.accept()));
    assert!(matches!(auth.next_event(), Ok(Some(Event::Request(_)))));
    auth.accept().unwrap();
    assert!(is_out_of_order(auth.accept()));
    assert!(is_out_of_order(auth.reject()));
    assert_eq!(auth.take_output(), OK);
}
