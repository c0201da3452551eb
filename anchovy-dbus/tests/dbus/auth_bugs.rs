//! What has gone wrong in the handshakes of others, by its number.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy_dbus::auth::Login;
use anchovy_dbus::{Client, HandshakeError, HandshakeLimits};

use crate::auth_machines::*;
use crate::harness::*;

/// A proxy that takes other blanks than the bus does passes what the bus takes for messages.
#[test]
fn cve_2018_6560_only_begin_and_crlf_begin() {
    let blanks = [" ", "  ", "\t", "\n", "\r", "\u{b}", "\u{c}", "\0", "\n\n", "\r\r", "\n\r"];
    let mut lines = Vec::new();
    for blank in blanks {
        lines.push(format!("{blank}BEGIN\r\n"));
        lines.push(format!("BEGIN{blank}\r\n"));
        lines.push(format!("BEGIN{blank}x\r\n"));
        lines.push(format!("BEGIN{blank}"));
        lines.push(format!("B{blank}EGIN\r\n"));
        lines.push(format!("x{blank}BEGIN\r\n"));
    }
    lines.extend(["begin\r\n", "Begin\r\n", "BEGIN x\r\n", "BEGINX\r\n"].map(str::to_owned));
    for line in lines {
        let story = serve_bytes(format!("\0AUTH EXTERNAL {HEX}\r\n{line}l\x01\0\x01"));
        assert_eq!(story.end, End::Open, "{line:?}");
        assert!(story.rest.0.ends_with(b"l\x01\0\x01"), "{line:?}");
        // Nor do the bytes of a "message" after it accept anything else.
        let story = serve_bytes(format!("\0AUTH EXTERNAL {HEX}\r\n{line}\r\nBEGIN\r\nl"));
        assert_eq!((story.end, story.rest.0), (End::Begun, b"l".to_vec()), "{line:?}");
    }
}

/// The same in what lets a client in.
#[test]
fn cve_2018_6560_no_other_blank_lets_a_client_in() {
    for blank in ["  ", "\t", "\n", "\r", "\u{b}", "\u{c}", "\0", " \t", "\t "] {
        for line in [
            format!("AUTH{blank}EXTERNAL {HEX}\r\n"),
            format!("AUTH EXTERNAL{blank}{HEX}\r\n"),
            format!("AUTH EXTERNAL {HEX}{blank}\r\n"),
            format!("{blank}AUTH EXTERNAL {HEX}\r\n"),
        ] {
            let story = serve_bytes(format!("\0{line}"));
            assert_eq!(story.end, End::Open, "{line:?}");
            assert!(story.events.is_empty(), "{line:?}");
            assert!(!story.said.contains("OK"), "{line:?}");
        }
    }
}

/// Connections that never say who they are took all the places of dbus-daemon.
#[test]
fn cve_2014_3639_a_client_that_never_authenticates_is_closed_in_time() {
    run(async {
        tokio::time::pause();
        let timeout = Duration::from_secs(5);
        let limits = HandshakeLimits { timeout, ..limits() };
        for said in [&b""[..], b"\0", b"\0AUTH", b"\0AUTH EXTERNAL\r\n", b"\0AUTH ANONYMOUS\r\n"] {
            let (near, mut far) = StdUnixStream::pair().unwrap();
            far.write_all(said).unwrap();
            let outcome = server().handshake_limits(limits.clone()).handshake(near).await;
            assert!(matches!(outcome, Err(HandshakeError::TimedOut { .. })), "{outcome:?}");
            // And it knows: what was said is there, and then the end. (Bytes that were never read
            // reset a connection; all were.)
            let mut answers = Vec::new();
            far.read_to_end(&mut answers).unwrap();
        }
    });
}

/// Lines without an end grew without bound in GLib, in servers and in clients.
#[test]
fn cve_2026_15588_a_line_without_an_end_is_bounded_on_a_server() {
    let mut auth = server_auth(&limits());
    auth.receive(b"\0", Vec::new());
    let mut sent = 0;
    let error = loop {
        auth.receive(&[b'A'; 1000], Vec::new());
        sent += 1000;
        match auth.next_event() {
            Ok(None) => assert!(sent < 16384),
            Ok(event) => panic!("{event:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, HandshakeError::LineTooLong { limit: 16384 }), "{error:?}");
    assert!(sent <= 17_000);
}

/// The same for a server that a client has connected to.
#[test]
fn cve_2026_15588_a_line_without_an_end_is_bounded_on_a_client() {
    let error = closed(&HandshakeError::LineTooLong { limit: 16384 });
    for manner in [
        Manner::Pipelined { login: Login::External, unix_fds: true },
        Manner::Stepwise { login: Login::External, unix_fds: true },
    ] {
        assert_eq!(ask_bytes(manner, vec![b'D'; 1 << 20]).end, error);
        assert_eq!(ask_bytes(manner, [b"DATA\r\n", &vec![b'D'; 20_000][..]].concat()).end, error);
    }
}

/// The same over a socket: what was sent is not even all read.
#[test]
fn cve_2026_15588_a_socket_is_not_read_beyond_the_bound() {
    run(async {
        let (near, mut far) = StdUnixStream::pair().unwrap();
        far.write_all(&vec![b'D'; 60_000]).unwrap();
        let outcome = Client::new().handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::LineTooLong { .. })), "{outcome:?}");

        let (near, mut far) = StdUnixStream::pair().unwrap();
        far.write_all(&[b"\0", &vec![b'A'; 60_000][..]].concat()).unwrap();
        let outcome = server().handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::LineTooLong { .. })), "{outcome:?}");
    });
}

/// A blank and a lone CR or LF after `AUTH` tripped an assertion in libdbus, before a client had
/// logged in.
#[test]
fn dbus_421_white_space_in_any_position_does_not_panic_or_authenticate() {
    const ALPHABET: &[u8] = b" \t\r\n\x0b\x0c\0A";
    for length in 0..=5_u32 {
        for number in 0..8_usize.pow(length) {
            let junk: Vec<u8> = (0..length)
                .map(|place| ALPHABET[number / 8_usize.pow(place) % ALPHABET.len()])
                .collect();
            for front in [&b"AUTH"[..], b"AUTH EXTERNAL", b""] {
                let line = [b"\0", front, &junk, b"\r\n"].concat();
                let story = serve(server_auth(&limits()), &[(line, 0)]);
                assert_eq!(story.end, End::Open, "{front:?} {junk:?}");
                assert!(story.events.is_empty(), "{front:?} {junk:?}");
                assert!(!story.said.contains("OK"), "{front:?} {junk:?}");
            }
        }
    }
}

/// The same between the name and the uid, cut up in every place.
#[test]
fn dbus_421_blanks_before_a_uid_are_one_blank_or_nothing() {
    const ALPHABET: &[u8] = b" \t\r\n\x0b\x0c\0A";
    for length in 1..=3_u32 {
        for number in 0..8_usize.pow(length) {
            let junk: Vec<u8> = (0..length)
                .map(|place| ALPHABET[number / 8_usize.pow(place) % ALPHABET.len()])
                .collect();
            let line = [b"\0AUTH EXTERNAL", &junk[..], HEX.as_bytes(), b"\r\n"].concat();
            let story = serve_bytes(&line);
            assert_eq!(!story.events.is_empty(), junk == b" ", "{junk:?}");
        }
    }
}

/// A peer that had sent its whole handshake and the first message with descriptors was refused.
#[test]
fn zbus_813_descriptors_after_begin_are_kept_and_in_order() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let lines = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        let fds = memfds(3);
        let borrowed: Vec<_> = fds.iter().map(std::os::fd::AsFd::as_fd).collect();
        // All is there before the server reads a byte: two messages in calls of their own.
        let server = server().fds_before_agreement();
        let unauthenticated = server.start(near).unwrap();
        foreign_send(&far, lines, &[]).unwrap();
        foreign_send(&far, &signal_bytes("First", 1), &[&borrowed[..1]]).unwrap();
        foreign_send(&far, &signal_bytes("Second", 2), &[&borrowed[1..]]).unwrap();
        let mut connection = begin(unauthenticated).await;
        let first = connection.receive().await.unwrap().unwrap();
        let second = connection.receive().await.unwrap().unwrap();
        assert_eq!(
            (first.header().member(), second.header().member()),
            (Some("First"), Some("Second"))
        );
        assert_eq!(identities(first.fds()), identities(&fds[..1]));
        assert_eq!(identities(second.fds()), identities(&fds[1..]));
    });
}

/// The same with the handshake and the message in one call.
#[test]
fn zbus_813_descriptors_in_one_call_with_begin_are_kept() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let lines = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        let fds = memfds(1);
        let bytes = [&lines[..], &signal_bytes("First", 1)].concat();
        let unauthenticated = server().fds_before_agreement().start(near).unwrap();
        foreign_send(&far, &bytes, &[&[std::os::fd::AsFd::as_fd(&fds[0])]]).unwrap();
        let mut connection = begin(unauthenticated).await;
        let first = connection.receive().await.unwrap().unwrap();
        assert_eq!(identities(first.fds()), identities(&fds));
    });
}

/// The other direction: a server that sends a message directly after AGREE_UNIX_FD.
#[test]
fn zbus_813_descriptors_after_agree_unix_fd_are_kept_and_in_order() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let fds = memfds(2);
        let answers = format!("DATA\r\n{OK}AGREE_UNIX_FD\r\n");
        let first = [answers.as_bytes(), &signal_bytes("First", 1)].concat();
        foreign_send(&far, &first, &[&[std::os::fd::AsFd::as_fd(&fds[0])]]).unwrap();
        let second = signal_bytes("Second", 1);
        foreign_send(&far, &second, &[&[std::os::fd::AsFd::as_fd(&fds[1])]]).unwrap();
        let mut connection = Client::new().handshake(near).await.unwrap();
        for fd in &fds {
            let message = connection.receive().await.unwrap().unwrap();
            assert_eq!(identities(message.fds()), [identity(fd)]);
        }
    });
}
