//! The exact replies to clients that violate the protocol: all rows of the table in
//! [`anchovy_dbus::auth`] that need no socket.

use anchovy_dbus::auth::{Event, Mechanism, ServerAuth};
use anchovy_dbus::{HandshakeError, HandshakeLimits};

use crate::auth_machines::*;
use crate::harness::*;

const LIST: &str = "REJECTED EXTERNAL ANONYMOUS\r\n";
const UNKNOWN: &str = "ERROR unknown command\r\n";
const NO_COMMAND: &str = "ERROR that is no command\r\n";
const NOT_NOW: &str = "ERROR not now\r\n";
const NO_ARGUMENT: &str = "ERROR that command takes no argument\r\n";
const AGREE: &str = "AGREE_UNIX_FD\r\n";

/// Asserts that the client gets exactly these replies, and can authenticate afterwards.
#[track_caller]
fn gets(lines: impl AsRef<[u8]>, replies: &str) {
    let mut bytes = b"\0".to_vec();
    bytes.extend_from_slice(lines.as_ref());
    let story = serve_bytes(&bytes);
    assert_eq!((story.said.as_str(), story.end), (replies, End::Open));

    bytes.extend_from_slice(format!("AUTH EXTERNAL {HEX}\r\nBEGIN\r\n").as_bytes());
    let story = serve_bytes(&bytes);
    assert_eq!((story.said, story.end), (format!("{replies}{OK}"), End::Begun));
}

/// Asserts the same for lines after `OK`: the client stays accepted.
#[track_caller]
fn gets_after_ok(lines: impl AsRef<[u8]>, replies: &str) {
    let mut bytes = format!("\0AUTH EXTERNAL {HEX}\r\n").into_bytes();
    bytes.extend_from_slice(lines.as_ref());
    let story = serve_bytes(&bytes);
    assert_eq!((story.said, story.end), (format!("{OK}{replies}"), End::Open));
    bytes.extend_from_slice(b"BEGIN\r\n");
    assert_eq!(serve_bytes(&bytes).end, End::Begun);
}

/// Asserts that the client gets exactly these replies, and that the handshake fails with this error.
#[track_caller]
fn is_closed(bytes: impl AsRef<[u8]>, replies: &str, error: &HandshakeError) {
    let story = serve_bytes(bytes);
    assert_eq!((story.said.as_str(), story.end), (replies, closed(error)));
}

#[test]
fn a_first_byte_that_is_not_nul_closes() {
    for found in (0..=u8::MAX).filter(|&found| found != 0) {
        is_closed([found], "", &HandshakeError::NoNul { found });
    }
    is_closed(b"AUTH EXTERNAL\r\n", "", &HandshakeError::NoNul { found: b'A' });
}

#[test]
fn an_unknown_command_gets_error_before_and_after_ok() {
    for line in ["HELLO\r\n", "EXTENSION_COM_EXAMPLE x\r\n", "OK\r\n", "AGREE_UNIX_FD\r\n", "_\r\n"]
    {
        gets(line, UNKNOWN);
        gets_after_ok(line, UNKNOWN);
    }
    gets("\r\n", NO_COMMAND);
    gets_after_ok("\r\n", NO_COMMAND);
}

#[test]
fn an_unknown_command_does_not_disturb_a_login_under_way() {
    let story = serve_bytes("\0AUTH EXTERNAL\r\nHELLO\r\nDATA\r\nBEGIN\r\n");
    assert_eq!((story.said, story.end), (format!("DATA\r\n{UNKNOWN}{OK}"), End::Begun));
}

#[test]
fn an_unknown_mechanism_or_a_bare_auth_gets_rejected_with_the_list() {
    for line in ["AUTH\r\n", "AUTH DBUS_COOKIE_SHA1 30\r\n", "AUTH external\r\n", "AUTH OTHER\r\n"]
    {
        gets(line, LIST);
    }
}

#[test]
fn the_list_is_of_what_is_offered_in_that_order() {
    let lists: [(&[Mechanism], &str); 3] = [
        (&[Mechanism::External], "REJECTED EXTERNAL\r\n"),
        (&[Mechanism::Anonymous, Mechanism::External], "REJECTED ANONYMOUS EXTERNAL\r\n"),
        (&[], "REJECTED \r\n"),
    ];
    for (mechanisms, list) in lists {
        let mut auth = server_auth(&limits());
        auth.set_mechanisms(mechanisms);
        assert_eq!(serve(auth, &[(b"\0AUTH\r\n".to_vec(), 0)]).said, list);
    }
}

#[test]
fn a_mechanism_that_is_not_offered_is_unknown() {
    let auth = ServerAuth::new(guid(), Some(UID), limits());
    let story = serve(auth, &[(b"\0AUTH ANONYMOUS 30\r\n".to_vec(), 0)]);
    assert_eq!(story.said, "REJECTED EXTERNAL\r\n");
}

#[test]
fn the_uid_of_another_user_or_a_login_name_gets_rejected_with_the_list() {
    for identity in ["30", "31303031", "1000", "726f6f74", "313030303030"] {
        gets(format!("AUTH EXTERNAL {identity}\r\n"), LIST);
        gets(format!("AUTH EXTERNAL\r\nDATA {identity}\r\n"), &format!("DATA\r\n{LIST}"));
    }
}

#[test]
fn the_own_uid_and_an_empty_uid_are_accepted() {
    for (lines, replies) in [
        (format!("AUTH EXTERNAL {HEX}\r\n"), OK.to_owned()),
        ("AUTH EXTERNAL\r\nDATA\r\n".to_owned(), format!("DATA\r\n{OK}")),
        (format!("AUTH EXTERNAL\r\nDATA {HEX}\r\n"), format!("DATA\r\n{OK}")),
    ] {
        let story = serve_bytes(format!("\0{lines}BEGIN\r\n"));
        assert_eq!((story.said, story.end), (replies, End::Begun));
        assert_eq!(story.events, ["EXTERNAL of 1000"]);
    }
}

#[test]
fn anonymous_names_nobody_with_and_without_a_trace() {
    for line in ["AUTH ANONYMOUS\r\n", "AUTH ANONYMOUS 616263\r\n"] {
        let story = serve_bytes(format!("\0{line}BEGIN\r\n"));
        assert_eq!((story.said.as_str(), story.end), (OK, End::Begun));
        assert_eq!(story.events, ["ANONYMOUS"]);
    }
}

#[test]
fn a_client_without_a_kernel_uid_is_rejected_with_external() {
    let bytes = format!("\0AUTH EXTERNAL\r\nDATA\r\nAUTH EXTERNAL {HEX}\r\n");
    let auth = ServerAuth::new(guid(), None, limits());
    let story = serve(auth, &[(bytes.into_bytes(), 0)]);
    assert_eq!(story.said, "DATA\r\nREJECTED EXTERNAL\r\nREJECTED EXTERNAL\r\n");
    assert!(story.events.is_empty());
}

#[test]
fn a_uid_written_in_another_way_gets_rejected() {
    // A lenient parser reads the right number from each of these: with a plus sign, a space, a zero or
    // a tab before it, and with a space, a NUL byte or a line feed after it.
    for identity in ["2b", "20", "30", "09"].map(|front| format!("{front}{HEX}")) {
        gets(format!("AUTH EXTERNAL {identity}\r\n"), LIST);
    }
    for identity in ["20", "00", "0a"].map(|end| format!("{HEX}{end}")) {
        gets(format!("AUTH EXTERNAL {identity}\r\n"), LIST);
    }
    for identity in ["2b30", "2030", "3030"] {
        let auth = ServerAuth::new(guid(), Some(0), limits());
        let line = format!("\0AUTH EXTERNAL {identity}\r\n");
        let story = serve(auth, &[(line.into_bytes(), 0)]);
        assert_eq!((story.said.as_str(), story.end), ("REJECTED EXTERNAL\r\n", End::Open));
    }
}

#[test]
fn an_identity_that_is_no_hex_or_half_a_byte_of_it_gets_rejected() {
    for identity in ["3", "313030303", "zz", "0x31", "3130303g", "31 30 30 30", "-"] {
        gets(format!("AUTH EXTERNAL {identity}\r\n"), LIST);
        gets(format!("AUTH EXTERNAL\r\nDATA {identity}\r\n"), &format!("DATA\r\n{LIST}"));
        gets(format!("AUTH ANONYMOUS {identity}\r\n"), LIST);
    }
}

#[test]
fn two_blanks_or_one_at_the_end_get_rejected_with_auth_and_data() {
    for line in [
        format!("AUTH  EXTERNAL {HEX}\r\n"),
        format!("AUTH EXTERNAL  {HEX}\r\n"),
        format!("AUTH EXTERNAL {HEX} \r\n"),
        "AUTH EXTERNAL \r\n".to_owned(),
        "AUTH \r\n".to_owned(),
        "AUTH  \r\n".to_owned(),
        "AUTH ANONYMOUS \r\n".to_owned(),
    ] {
        gets(line, LIST);
    }
    for data in [format!("DATA  {HEX}\r\n"), format!("DATA {HEX} \r\n"), "DATA \r\n".to_owned()] {
        gets(format!("AUTH EXTERNAL\r\n{data}"), &format!("DATA\r\n{LIST}"));
    }
}

#[test]
fn two_blanks_or_one_at_the_end_get_error_with_other_commands() {
    for command in ["CANCEL", "NEGOTIATE_UNIX_FD", "BEGIN"] {
        for line in [format!("{command} \r\n"), format!("{command}  \r\n")] {
            gets(&line, NO_ARGUMENT);
            gets_after_ok(&line, NO_ARGUMENT);
        }
    }
    gets("HELLO \r\n", UNKNOWN);
}

#[test]
fn a_control_character_or_a_byte_over_0x7e_in_a_line_gets_error() {
    let strange = (0..0x20).chain(0x7f..=0xff).filter(|&byte| byte != b'\n');
    for byte in strange {
        for (front, back) in [
            ("AUTH", "EXTERNAL 31303030"),
            ("AUTH EXTERNAL", "31303030"),
            ("AUTH EXTERNAL 3130", "3030"),
            ("BEGIN", "x"),
            ("", "BEGIN"),
            ("ERROR ", "x"),
        ] {
            let line = [front.as_bytes(), &[byte], back.as_bytes(), b"\r\n"].concat();
            gets(&line, NO_COMMAND);
            gets_after_ok(&line, NO_COMMAND);
        }
    }
}

#[test]
fn lower_case_or_a_blank_before_the_command_gets_error() {
    for line in [
        "auth EXTERNAL 31303030\r\n",
        "Auth EXTERNAL 31303030\r\n",
        " AUTH EXTERNAL 31303030\r\n",
        "begin\r\n",
        " BEGIN\r\n",
        "BEGIN2\r\n",
        "-\r\n",
    ] {
        gets(line, NO_COMMAND);
        gets_after_ok(line, NO_COMMAND);
    }
}

#[test]
fn lf_without_cr_does_not_end_a_line_nor_does_cr_without_lf() {
    for end in ["\n", "\r", "\n\r", "\r\r", "\n\n"] {
        let unfinished = serve_bytes(format!("\0AUTH EXTERNAL {HEX}{end}BEGIN{end}"));
        assert_eq!((unfinished.said.as_str(), unfinished.end), ("", End::Open));
        gets(format!("AUTH EXTERNAL {HEX}{end}BEGIN\r\n"), NO_COMMAND);
    }
}

#[test]
fn begin_before_ok_closes() {
    is_closed("\0BEGIN\r\n", "", &HandshakeError::BeginTooEarly);
    is_closed("\0AUTH EXTERNAL\r\nBEGIN\r\n", "DATA\r\n", &HandshakeError::BeginTooEarly);
    is_closed("\0AUTH\r\nBEGIN\r\n", LIST, &HandshakeError::BeginTooEarly);
    let cancelled = format!("\0AUTH EXTERNAL {HEX}\r\nCANCEL\r\nBEGIN\r\n");
    is_closed(cancelled, &format!("{OK}{LIST}"), &HandshakeError::BeginTooEarly);
}

#[test]
fn begin_while_nobody_has_decided_waits() {
    let mut auth = server_auth(&limits());
    auth.receive(b"\0AUTH ANONYMOUS\r\nBEGIN\r\n", Vec::new());
    for _ in 0..3 {
        assert!(matches!(auth.next_event(), Ok(Some(Event::Request(_)))));
    }
    assert!(auth.take_output().is_empty());
    auth.reject().unwrap();
    assert!(matches!(auth.next_event(), Err(HandshakeError::BeginTooEarly)));
}

#[test]
fn negotiate_unix_fd_data_or_cancel_before_auth_get_error() {
    for line in ["NEGOTIATE_UNIX_FD\r\n", "DATA\r\n", "DATA 31303030\r\n", "CANCEL\r\n"] {
        gets(line, NOT_NOW);
    }
}

#[test]
fn negotiate_unix_fd_or_auth_while_data_is_asked_for_get_error() {
    for line in ["NEGOTIATE_UNIX_FD\r\n", "AUTH EXTERNAL 31303030\r\n"] {
        let story = serve_bytes(format!("\0AUTH EXTERNAL\r\n{line}DATA\r\n"));
        assert_eq!(story.said, format!("DATA\r\n{NOT_NOW}{OK}"));
    }
}

#[test]
fn error_before_auth_gets_rejected() {
    gets("ERROR\r\n", LIST);
    gets("ERROR I have no idea\r\n", LIST);
}

#[test]
fn cancel_or_error_while_data_is_asked_for_get_rejected() {
    for line in ["CANCEL\r\n", "ERROR\r\n", "ERROR no data\r\n"] {
        gets(format!("AUTH EXTERNAL\r\n{line}"), &format!("DATA\r\n{LIST}"));
    }
}

#[test]
fn cancel_or_error_after_ok_gets_rejected_and_ends_the_agreement() {
    for line in ["CANCEL\r\n", "ERROR\r\n", "ERROR never mind\r\n"] {
        let bytes = format!("\0AUTH EXTERNAL {HEX}\r\nNEGOTIATE_UNIX_FD\r\n");
        assert!(serve_bytes(&bytes).unix_fds);
        let bytes = bytes + line;
        let story = serve_bytes(&bytes);
        assert_eq!(story.said, format!("{OK}{AGREE}{LIST}"));
        assert_eq!(story.events, ["EXTERNAL of 1000", "cancelled"]);
        assert!(!story.unix_fds);

        let cancelled = serve_bytes(format!("{bytes}AUTH EXTERNAL {HEX}\r\nBEGIN\r\n"));
        assert_eq!((cancelled.said, cancelled.end), (format!("{OK}{AGREE}{LIST}{OK}"), End::Begun));
        assert!(!cancelled.unix_fds);
    }
}

#[test]
fn auth_or_data_after_ok_get_error() {
    for line in ["AUTH\r\n", "AUTH EXTERNAL 31303030\r\n", "DATA\r\n", "DATA 31303030\r\n"] {
        gets_after_ok(line, NOT_NOW);
    }
}

#[test]
fn begin_foo_or_begin_and_a_blank_get_error() {
    for line in ["BEGIN foo\r\n", "BEGIN \r\n", "BEGIN BEGIN\r\n"] {
        gets(line, NO_ARGUMENT);
        gets_after_ok(line, NO_ARGUMENT);
    }
}

#[test]
fn negotiate_unix_fd_twice_gets_agree_unix_fd_twice() {
    gets_after_ok("NEGOTIATE_UNIX_FD\r\nNEGOTIATE_UNIX_FD\r\n", &format!("{AGREE}{AGREE}"));
}

#[test]
fn negotiate_unix_fd_where_none_are_offered_gets_error() {
    let mut auth = server_auth(&limits());
    auth.set_unix_fds(false);
    let bytes = format!("\0AUTH EXTERNAL {HEX}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    let story = serve(auth, &[(bytes.into_bytes(), 0)]);
    assert_eq!(story.said, format!("{OK}ERROR descriptors do not pass here\r\n"));
    assert_eq!((story.end, story.unix_fds), (End::Begun, false));
}

#[test]
fn a_pipelined_wrong_uid_gets_rejected_and_error_and_is_closed_at_begin() {
    let replies = format!("{LIST}{NOT_NOW}");
    let bytes = "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\0\x01";
    is_closed(bytes, &replies, &HandshakeError::BeginTooEarly);
}

#[test]
fn the_sixth_thing_to_be_rejected_gets_rejected_and_is_closed() {
    gets("AUTH\r\n".repeat(5), &LIST.repeat(5));
    let error = HandshakeError::TooManyRejects { limit: 6 };
    is_closed(format!("\0{}", "AUTH\r\n".repeat(6)), &LIST.repeat(6), &error);
    let mixed = format!(
        "\0AUTH\r\nERROR\r\nAUTH EXTERNAL 30\r\nAUTH EXTERNAL\r\nDATA 30\r\nAUTH EXTERNAL\r\n\
         CANCEL\r\nAUTH EXTERNAL {HEX}\r\nCANCEL\r\n"
    );
    let replies = format!("{LIST}{LIST}{LIST}DATA\r\n{LIST}DATA\r\n{LIST}{OK}{LIST}");
    is_closed(mixed, &replies, &error);
}

#[test]
fn the_sixteenth_error_gets_error_and_is_closed() {
    gets("HELLO\r\n".repeat(15), &UNKNOWN.repeat(15));
    let error = HandshakeError::TooManyErrors { limit: 16 };
    is_closed(format!("\0{}", "HELLO\r\n".repeat(16)), &UNKNOWN.repeat(16), &error);
    // Errors of all kinds count.
    let mixed = format!("\0{}", "HELLO\r\n\r\nDATA\r\nBEGIN x\r\n".repeat(4));
    let replies = [UNKNOWN, NO_COMMAND, NOT_NOW, NO_ARGUMENT].concat().repeat(4);
    is_closed(mixed, &replies, &error);
}

#[test]
fn descriptors_in_one_receive_with_begin_belong_to_the_message() {
    guarded(|| {
        let lines = format!("\0AUTH EXTERNAL {HEX}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        let at_once = [(format!("{lines}l...").into_bytes(), 2), (b"....".to_vec(), 1)];
        let story = serve(server_auth(&limits()), &at_once);
        assert_eq!((story.end, story.unix_fds), (End::Begun, true));
        assert_eq!(story.rest, (b"l.......".to_vec(), vec![(0..4, 2), (4..8, 1)]));

        let without = format!("\0AUTH EXTERNAL {HEX}\r\nBEGIN\r\nl...");
        let story = serve(server_auth(&limits()), &[(without.into_bytes(), 2)]);
        assert_eq!(story.end, closed(&HandshakeError::Descriptors { count: 2 }));
        assert_eq!(story.rest, (Vec::new(), Vec::new()));
    });
}

#[test]
fn descriptors_with_bytes_of_the_handshake_close_wherever_they_are() {
    let lines = format!("\0AUTH EXTERNAL {HEX}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    guarded(|| {
        // With any single byte of the handshake, and with any end of it.
        for start in 0..lines.len() {
            for end in [start + 1, lines.len()] {
                let (before, with) = (&lines[..start], &lines[start..end]);
                let received = [(before.into(), 0), (with.into(), 3), (lines[end..].into(), 0)];
                let story = serve(server_auth(&limits()), &received);
                let error = HandshakeError::Descriptors { count: 3 };
                assert_eq!(story.end, closed(&error), "{start}..{end}");
                assert_eq!(story.rest, (Vec::new(), Vec::new()));
            }
        }
    });
}

#[test]
fn descriptors_with_half_a_line_close_before_the_rest_of_it_is_there() {
    guarded(|| {
        for half in
            ["\0", "\0AUTH EXT", "\0AUTH EXTERNAL\r\nDA", "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r"]
        {
            let story = serve(server_auth(&limits()), &[(half.into(), 2)]);
            assert_eq!(story.end, closed(&HandshakeError::Descriptors { count: 2 }), "{half:?}");
        }
    });
}

#[test]
fn the_handshake_byte_by_byte_or_in_one_write_is_the_same() {
    // `serve_bytes` asserts that the story is the same byte by byte and in one write.
    for auth in [format!("AUTH EXTERNAL {HEX}\r\n"), "AUTH EXTERNAL\r\nDATA\r\n".to_owned()] {
        let lines = format!("\0{auth}NEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\0\x01");
        let story = serve_bytes(lines);
        assert_eq!((story.end, story.unix_fds), (End::Begun, true));
        assert_eq!(story.rest, (b"l\x01\0\x01".to_vec(), Vec::new()));
    }
}

#[test]
fn a_machine_that_has_failed_takes_nothing_more() {
    guarded(|| {
        let mut auth = ServerAuth::new(guid(), Some(0), HandshakeLimits::default());
        auth.receive(b"\0BEGIN\r\n", Vec::new());
        assert!(matches!(auth.next_event(), Err(HandshakeError::BeginTooEarly)));
        let (reader, writer) = pipe();
        auth.receive(b"AUTH EXTERNAL\r\nDATA\r\n", vec![writer]);
        assert!(is_abandoned(&reader));
        assert!(matches!(auth.next_event(), Err(HandshakeError::BeginTooEarly)));
        assert!(auth.take_output().is_empty());
    });
}

#[test]
fn descriptors_received_after_begin_without_agreement_are_refused() {
    guarded(|| {
        let lines = format!("\0AUTH EXTERNAL {HEX}\r\nBEGIN\r\n");
        for (bytes, fds) in [(&b"l..."[..], 2), (b"", 2)] {
            let mut auth = server_auth(&limits());
            auth.receive(lines.as_bytes(), Vec::new());
            assert!(matches!(auth.next_event(), Ok(Some(Event::Request(_)))));
            auth.accept().unwrap();
            assert_eq!(auth.next_event().unwrap(), Some(Event::Begin));
            auth.receive(bytes, memfds(fds));
            let error = auth.next_event().unwrap_err();
            assert!(matches!(error, HandshakeError::Descriptors { count: 2 }), "{error:?}");
        }
        // `into_rest` does not return them either, if `next_event` is not called again.
        let received = [(lines.into_bytes(), 0), (b"l...".to_vec(), 2)];
        let story = serve(server_auth(&limits()), &received);
        assert_eq!(story.end, closed(&HandshakeError::Descriptors { count: 2 }));
        assert_eq!(story.rest, (Vec::new(), Vec::new()));
    });
}
