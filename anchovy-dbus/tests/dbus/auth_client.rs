//! The client's machine: every answer that it may get, good and bad.

use anchovy_dbus::auth::{ClientAuth, Login, Reply};
use anchovy_dbus::{Guid, HandshakeError};

use crate::auth_machines::*;
use crate::harness::*;

const PIPELINED: Manner = Manner::Pipelined { login: Login::External, unix_fds: true };
const STEPWISE: Manner = Manner::Stepwise { login: Login::External, unix_fds: true };
const PIPELINED_UID: Manner = Manner::Pipelined { login: Login::ExternalUid(UID), unix_fds: true };
const STEPWISE_UID: Manner = Manner::Stepwise { login: Login::ExternalUid(UID), unix_fds: true };
const AGREE: &str = "AGREE_UNIX_FD\r\n";

fn said_first(manner: Manner) -> String {
    ask_bytes(manner, "").said
}

/// What the client says to these answers, how it ends, and whether descriptors may pass.
#[track_caller]
fn says(manner: Manner, answers: impl AsRef<[u8]>, more: &str, end: End, unix_fds: bool) {
    let story = ask_bytes(manner, answers);
    assert_eq!(story.said, format!("{}{more}", said_first(manner)));
    assert_eq!((story.end, story.unix_fds), (end, unix_fds));
}

fn unexpected(expected: &'static str, line: &str) -> End {
    closed(&HandshakeError::Unexpected { expected, line: line.to_owned() })
}

#[test]
fn a_pipelined_client_says_everything_at_once() {
    let everything = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
    assert_eq!(said_first(PIPELINED), everything);
    assert_eq!(
        said_first(PIPELINED_UID),
        format!("\0AUTH EXTERNAL {HEX}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    );
    let anonymous = Manner::Pipelined { login: Login::Anonymous, unix_fds: false };
    assert_eq!(said_first(anonymous), "\0AUTH ANONYMOUS 616e63686f7679\r\nBEGIN\r\n");
}

#[test]
fn a_stepwise_client_sends_its_identity_and_waits() {
    assert_eq!(said_first(STEPWISE), "\0AUTH EXTERNAL\r\n");
    assert_eq!(said_first(STEPWISE_UID), format!("\0AUTH EXTERNAL {HEX}\r\n"));
}

#[test]
fn the_good_answers_lead_to_begin() {
    let answers = format!("DATA\r\n{OK}{AGREE}");
    says(PIPELINED, &answers, "", End::Begun, true);
    says(STEPWISE, &answers, "DATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", End::Begun, true);
    let answers = format!("{OK}{AGREE}");
    says(PIPELINED_UID, &answers, "", End::Begun, true);
    says(STEPWISE_UID, &answers, "NEGOTIATE_UNIX_FD\r\nBEGIN\r\n", End::Begun, true);
}

#[test]
fn error_to_negotiate_unix_fd_means_no_descriptors() {
    for error in ["ERROR\r\n", "ERROR descriptors do not pass here\r\n"] {
        let answers = format!("DATA\r\n{OK}{error}");
        says(PIPELINED, &answers, "", End::Begun, false);
        says(STEPWISE, &answers, "DATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", End::Begun, false);
    }
}

#[test]
fn anything_else_than_agree_unix_fd_or_error_to_negotiate_unix_fd_closes() {
    let manners = [(PIPELINED, ""), (STEPWISE, "DATA\r\nNEGOTIATE_UNIX_FD\r\n")];
    for line in [
        "AGREE_UNIX_FD x",
        "AGREE_UNIX_FD ",
        "AGREE_UNIX_FDS",
        "agree_unix_fd",
        " AGREE_UNIX_FD",
        "REJECTED EXTERNAL",
        "DATA",
        "",
    ] {
        for (manner, more) in manners {
            let end = unexpected("AGREE_UNIX_FD or ERROR", line);
            says(manner, format!("DATA\r\n{OK}{line}\r\n"), more, end, false);
        }
    }
}

#[test]
fn data_with_nothing_is_taken_with_and_without_a_blank() {
    // Servers of GLib have written it with one.
    let answers = format!("DATA \r\n{OK}{AGREE}");
    says(PIPELINED, &answers, "", End::Begun, true);
    says(STEPWISE, &answers, "DATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", End::Begun, true);
}

#[test]
fn data_with_an_argument_makes_a_stepwise_client_cancel() {
    let answers = "DATA 6162\r\n";
    says(PIPELINED, answers, "", unexpected("DATA or OK", "DATA 6162"), false);
    says(STEPWISE, answers, "CANCEL\r\n", End::Open, false);
    says(STEPWISE_UID, answers, "CANCEL\r\n", End::Open, false);
    says(STEPWISE_UID, "DATA\r\n", "CANCEL\r\n", End::Open, false);
    let story = ask_bytes(STEPWISE, "DATA\r\nDATA\r\nREJECTED EXTERNAL\r\n");
    assert_eq!(story.events, [r#"Rejected("EXTERNAL")"#]);
}

#[test]
fn a_stepwise_client_cancels_after_error_and_can_authenticate_again() {
    let answers = "ERROR what?\r\nREJECTED ANONYMOUS\r\n";
    let story = ask_bytes(STEPWISE, answers);
    assert_eq!(story.events, [r#"Rejected("ANONYMOUS")"#]);
    assert_eq!(story.said, "\0AUTH EXTERNAL\r\nCANCEL\r\nAUTH ANONYMOUS 616e63686f7679\r\n");
    let story = ask_bytes(STEPWISE, format!("{answers}{OK}{AGREE}"));
    assert_eq!((story.end, story.unix_fds), (End::Begun, true));
}

#[test]
fn error_to_auth_ends_a_pipelined_client() {
    says(PIPELINED, "ERROR no\r\n", "", unexpected("DATA or OK", "ERROR no"), false);
    let end = unexpected("OK and 32 hex digits", "ERROR no");
    says(PIPELINED_UID, "ERROR no\r\n", "", end, false);
}

#[test]
fn anything_else_than_rejected_after_cancel_closes() {
    for line in ["ERROR", "DATA", "AGREE_UNIX_FD", OK.trim_end()] {
        let story = ask_bytes(STEPWISE, format!("ERROR\r\n{line}\r\n"));
        assert_eq!(story.end, unexpected("REJECTED", line));
    }
}

#[test]
fn rejected_lets_a_stepwise_client_try_again_with_and_without_a_list() {
    for (line, list) in [
        ("REJECTED EXTERNAL ANONYMOUS\r\n", "EXTERNAL ANONYMOUS"),
        ("REJECTED\r\n", ""),
        ("REJECTED \r\n", ""),
    ] {
        for front in ["", "DATA\r\n"] {
            let story = ask_bytes(STEPWISE, format!("{front}{line}{OK}{AGREE}"));
            assert_eq!(story.events[0], format!("Rejected({list:?})"));
            assert_eq!(story.end, End::Begun);
        }
    }
}

#[test]
fn rejected_ends_a_pipelined_client_with_the_list() {
    for (line, list) in [("REJECTED EXTERNAL\r\n", "EXTERNAL"), ("REJECTED\r\n", "")] {
        let end = closed(&HandshakeError::Rejected { mechanisms: list.to_owned() });
        says(PIPELINED, line, "", end.clone(), false);
        says(PIPELINED, format!("DATA\r\n{line}"), "", end.clone(), false);
        says(PIPELINED_UID, line, "", end, false);
    }
}

#[test]
fn a_stepwise_client_replies_error_to_an_unexpected_line_and_waits() {
    for line in ["HELLO", "AGREE_UNIX_FD", "BEGIN", "", "ok 0123", " OK", "\u{1}", "OK"] {
        let story = ask_bytes(STEPWISE, format!("{line}\r\nDATA\r\n{OK}{AGREE}"));
        assert_eq!(
            story.said,
            "\0AUTH EXTERNAL\r\nERROR unknown command\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
            "{line:?}"
        );
        assert_eq!(story.end, End::Begun);
    }
}

#[test]
fn an_unexpected_line_to_auth_ends_a_pipelined_client() {
    for line in ["HELLO", "AGREE_UNIX_FD", "", "OK"] {
        says(PIPELINED, format!("{line}\r\n"), "", unexpected("DATA or OK", line), false);
    }
}

#[test]
fn the_sixteenth_unexpected_line_ends_a_stepwise_client() {
    let errors = "ERROR unknown command\r\n";
    says(STEPWISE, "X\r\n".repeat(15), &errors.repeat(15), End::Open, false);
    let end = closed(&HandshakeError::TooManyErrors { limit: 16 });
    says(STEPWISE, "X\r\n".repeat(16), &errors.repeat(16), end, false);
}

#[test]
fn a_guid_that_is_not_32_hex_digits_closes_in_either_manner() {
    for guid in [
        "",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "0123456789abcdef0123456789abcdeg",
        "0123456789abcdef0123456789abcdef ",
        " 0123456789abcdef0123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcdef",
    ] {
        let line = format!("OK {guid}");
        let end = unexpected("OK and 32 hex digits", &line);
        for manner in [STEPWISE_UID, PIPELINED_UID, STEPWISE, PIPELINED] {
            says(manner, format!("{line}\r\n"), "", end.clone(), false);
        }
    }
}

#[test]
fn a_server_with_another_guid_than_expected_is_refused_in_either_manner() {
    let expected = Guid::parse(b"ffffffffffffffffffffffffffffffff").unwrap();
    for manner in [STEPWISE_UID, PIPELINED_UID] {
        for (expected, end) in [
            (guid(), End::Begun),
            (expected, closed(&HandshakeError::WrongServer { expected, found: guid() })),
        ] {
            let mut auth = ClientAuth::new(limits());
            auth.expect_guid(expected);
            let answers = format!("{OK}{AGREE}").into_bytes();
            assert_eq!(ask(auth, manner, &[(answers, 0)]).end, end);
        }
    }
}

#[test]
fn the_guid_is_known_after_ok() {
    let mut auth = ClientAuth::new(limits());
    auth.authenticate(Login::Anonymous).unwrap();
    assert_eq!(auth.guid(), None);
    auth.receive(OK.as_bytes(), Vec::new());
    assert_eq!(auth.next_reply().unwrap(), Some(Reply::Accepted(guid())));
    assert_eq!(auth.guid(), Some(guid()));
}

#[test]
fn ok_instead_of_data_is_accepted_from_old_servers_of_sd_bus() {
    says(STEPWISE, format!("{OK}{AGREE}"), "NEGOTIATE_UNIX_FD\r\nBEGIN\r\n", End::Begun, true);
    // To the DATA that is under way already, they say something, too.
    for second in ["ERROR not now\r\n", "ERROR\r\n", OK] {
        says(PIPELINED, format!("{OK}{second}{AGREE}"), "", End::Begun, true);
    }
    let end = unexpected("OK or ERROR", "AGREE_UNIX_FD");
    says(PIPELINED, format!("{OK}{AGREE}"), "", end, false);
}

#[test]
fn bytes_after_the_last_reply_are_kept() {
    for (manner, front) in [(PIPELINED, "DATA\r\n"), (STEPWISE, "DATA\r\n"), (STEPWISE_UID, "")] {
        let story = ask_bytes(manner, format!("{front}{OK}{AGREE}l\x01\r\n\0OK\r\n"));
        assert_eq!((story.end, story.rest.0), (End::Begun, b"l\x01\r\n\0OK\r\n".to_vec()));
    }
    let without = Manner::Pipelined { login: Login::External, unix_fds: false };
    let story = ask_bytes(without, format!("DATA\r\n{OK}{AGREE}"));
    assert_eq!((story.end, story.rest.0), (End::Begun, AGREE.as_bytes().to_vec()));
}

#[test]
fn descriptors_with_any_bytes_before_the_end_of_agree_unix_fd_close() {
    guarded(|| {
        let answers = format!("DATA\r\n{OK}{AGREE}");
        for manner in [PIPELINED, STEPWISE] {
            for start in 0..answers.len() {
                for end in [start + 1, answers.len()] {
                    let received = [
                        (answers[..start].into(), 0),
                        (answers[start..end].into(), 2),
                        (answers[end..].into(), 0),
                    ];
                    let story = ask(ClientAuth::new(limits()), manner, &received);
                    let error = HandshakeError::Descriptors { count: 2 };
                    assert_eq!(story.end, closed(&error), "{manner:?} {start}..{end}");
                    assert_eq!(story.rest, (Vec::new(), Vec::new()));
                }
            }
        }
    });
}

#[test]
fn descriptors_after_agree_unix_fd_are_kept_with_their_ranges() {
    guarded(|| {
        for manner in [PIPELINED, STEPWISE] {
            let received = [
                (b"DATA\r\n".to_vec(), 0),
                (format!("{OK}{AGREE}first").into_bytes(), 2),
                (b"second".to_vec(), 1),
                (b"plain".to_vec(), 0),
                (b"third".to_vec(), 3),
            ];
            let story = ask(ClientAuth::new(limits()), manner, &received);
            assert_eq!((story.end, story.unix_fds), (End::Begun, true));
            let sets = vec![(0..5, 2), (5..11, 1), (16..21, 3)];
            assert_eq!(story.rest, (b"firstsecondplainthird".to_vec(), sets));
        }
    });
}

#[test]
fn descriptors_after_a_handshake_without_agreement_close() {
    guarded(|| {
        let error = closed(&HandshakeError::Descriptors { count: 1 });
        let without = Manner::Pipelined { login: Login::External, unix_fds: false };
        let answers = format!("DATA\r\n{OK}l...").into_bytes();
        assert_eq!(ask(ClientAuth::new(limits()), without, &[(answers, 1)]).end, error);
        let answers = format!("DATA\r\n{OK}ERROR\r\nl...").into_bytes();
        assert_eq!(ask(ClientAuth::new(limits()), PIPELINED, &[(answers, 1)]).end, error);
    });
}

#[test]
fn cancel_ends_the_agreement_and_returns_rejected() {
    let mut auth = ClientAuth::new(limits());
    auth.authenticate(Login::Anonymous).unwrap();
    auth.negotiate_unix_fd().unwrap();
    auth.receive(format!("{OK}{AGREE}").as_bytes(), Vec::new());
    assert_eq!(auth.next_reply().unwrap(), Some(Reply::Accepted(guid())));
    assert_eq!(auth.next_reply().unwrap(), Some(Reply::UnixFds(true)));
    assert!(auth.unix_fds() && auth.is_answered());

    auth.cancel().unwrap();
    assert!(!auth.unix_fds() && !auth.is_answered());
    auth.receive(b"REJECTED EXTERNAL\r\n", Vec::new());
    assert_eq!(auth.next_reply().unwrap(), Some(Reply::Rejected("EXTERNAL".to_owned())));
    auth.take_output();
    auth.authenticate(Login::External).unwrap();
    // NUL is the first byte of a connection, not of a login.
    assert_eq!(&auth.take_output()[..], b"AUTH EXTERNAL\r\n");
}

#[test]
fn a_mechanism_list_of_a_hostile_server_is_cut_and_escaped() {
    let line = format!("REJECTED {}\r\n", "X".repeat(10_000));
    let story = ask_bytes(STEPWISE, line);
    assert!(story.events[0].len() < 120, "{:?}", story.events);
    let end = ask_bytes(PIPELINED, "OK \u{1b}[2J\r\n").end;
    assert_eq!(end, unexpected("DATA or OK", "OK \\x1b[2J"));
}

#[test]
fn descriptors_after_a_stepwise_begin_without_agreement_are_refused() {
    guarded(|| {
        let without = Manner::Stepwise { login: Login::ExternalUid(UID), unix_fds: false };
        let error = closed(&HandshakeError::Descriptors { count: 2 });
        for received in [
            vec![(format!("{OK}l...").into_bytes(), 2)],
            vec![(OK.into(), 0), (b"l...".to_vec(), 2)],
            vec![(OK.into(), 0), (Vec::new(), 2)],
        ] {
            let story = ask(ClientAuth::new(limits()), without, &received);
            assert_eq!((story.end, story.rest), (error.clone(), (Vec::new(), Vec::new())));
        }
        // Nor are they given out if nobody asks for another reply.
        let mut auth = ClientAuth::new(limits());
        auth.authenticate(Login::Anonymous).unwrap();
        auth.receive(OK.as_bytes(), Vec::new());
        assert_eq!(auth.next_reply().unwrap(), Some(Reply::Accepted(guid())));
        auth.begin().unwrap();
        let (reader, writer) = pipe();
        auth.receive(b"l...", vec![writer]);
        let error = auth.into_rest().unwrap_err();
        assert!(matches!(error, HandshakeError::Descriptors { count: 1 }), "{error:?}");
        assert!(is_abandoned(&reader));
    });
}
