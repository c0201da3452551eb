//! What a handshake may cost: bytes, rejections, errors and time, on both sides.

use std::io::Write;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy_dbus::auth::{ClientAuth, Login};
use anchovy_dbus::client::Authentication;
use anchovy_dbus::{Client, HandshakeError, HandshakeLimits};
use tokio::time::Instant;

use crate::auth_machines::*;
use crate::harness::*;

const STEPWISE: Manner = Manner::Stepwise { login: Login::External, unix_fds: false };

/// A line of this length with its end, which both machines answer with ERROR.
fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'X'; length - 2];
    line.extend_from_slice(b"\r\n");
    line
}

fn to_server(lines: &[Vec<u8>]) -> Vec<u8> {
    [b"\0".to_vec(), lines.concat()].concat()
}

#[test]
fn a_server_accepts_a_line_of_16384_bytes_and_no_more() {
    let story = serve_bytes(to_server(&[line(16384)]));
    assert_eq!((story.said.as_str(), story.end), ("ERROR unknown command\r\n", End::Open));
    let story = serve_bytes(to_server(&[line(16385)]));
    assert_eq!(story.end, closed(&HandshakeError::LineTooLong { limit: 16384 }));
    assert_eq!(story.said, "");
}

#[test]
fn a_line_without_an_end_closes_a_server_at_16384_bytes() {
    let unterminated = |length| to_server(&[vec![b'X'; length]]);
    assert_eq!(serve_bytes(unterminated(16383)).end, End::Open);
    let error = HandshakeError::LineTooLong { limit: 16384 };
    assert_eq!(serve_bytes(unterminated(16384)).end, closed(&error));
    // Half an end is none.
    let mut half = unterminated(16383);
    half.push(b'\r');
    assert_eq!(serve_bytes(half).end, closed(&error));
}

#[test]
fn a_client_accepts_a_line_of_16384_bytes_and_no_more() {
    let story = ask_bytes(STEPWISE, line(16384));
    assert!(story.said.ends_with("ERROR unknown command\r\n"));
    assert_eq!(story.end, End::Open);
    let error = HandshakeError::LineTooLong { limit: 16384 };
    assert_eq!(ask_bytes(STEPWISE, line(16385)).end, closed(&error));
    assert_eq!(ask_bytes(STEPWISE, vec![b'X'; 16383]).end, End::Open);
    assert_eq!(ask_bytes(STEPWISE, vec![b'X'; 16384]).end, closed(&error));
}

#[test]
fn a_server_reads_64_kib_of_lines_and_no_byte_more() {
    let most = vec![line(16384), line(16384), line(16384), line(16383)];
    let story = serve_bytes(to_server(&most));
    assert_eq!((story.said, story.end), ("ERROR unknown command\r\n".repeat(4), End::Open));

    let error = closed(&HandshakeError::TooManyBytes { limit: 65536 });
    let mut more = to_server(&most);
    more.push(b'A');
    assert_eq!(serve_bytes(more).end, error);
    let one_longer = vec![line(16384), line(16384), line(16384), line(16384)];
    assert_eq!(serve_bytes(to_server(&one_longer)).end, error);
}

#[test]
fn a_client_reads_64_kib_of_lines_and_no_byte_more() {
    let most = vec![line(16384); 4].concat();
    assert_eq!(ask_bytes(STEPWISE, &most).end, End::Open);
    let error = closed(&HandshakeError::TooManyBytes { limit: 65536 });
    assert_eq!(ask_bytes(STEPWISE, [&most[..], b"O"].concat()).end, error);
}

#[test]
fn bytes_after_the_handshake_do_not_count() {
    let message = vec![b'm'; 200_000];
    let lines = format!("\0AUTH EXTERNAL {HEX}\r\nBEGIN\r\n").into_bytes();
    let story = serve(server_auth(&limits()), &[([lines, message.clone()].concat(), 0)]);
    assert_eq!((story.end, story.rest.0.len()), (End::Begun, 200_000));

    let manner = Manner::Pipelined { login: Login::ExternalUid(UID), unix_fds: false };
    let answer = [OK.as_bytes(), &message].concat();
    let story = ask(ClientAuth::new(limits()), manner, &[(answer, 0)]);
    assert_eq!((story.end, story.rest.0.len()), (End::Begun, 200_000));
}

#[test]
fn each_bound_of_a_server_can_be_set() {
    let ended = |limits: HandshakeLimits, lines: &str| {
        (
            serve_bytes_within(&limits, format!("\0{}", &lines[..lines.len() - 1])).end,
            serve_bytes_within(&limits, format!("\0{lines}")).end,
        )
    };
    let rejects = HandshakeLimits { max_rejects: 2, ..limits() };
    let error = closed(&HandshakeError::TooManyRejects { limit: 2 });
    assert_eq!(ended(rejects, "AUTH\r\nAUTH\r\n"), (End::Open, error));
    let errors = HandshakeLimits { max_errors: 1, ..limits() };
    let error = closed(&HandshakeError::TooManyErrors { limit: 1 });
    assert_eq!(ended(errors, "HELLO\r\n"), (End::Open, error));
    let line = HandshakeLimits { max_line_bytes: 8, ..limits() };
    let error = closed(&HandshakeError::LineTooLong { limit: 8 });
    assert_eq!(ended(line, "AUTH\r\n12345678"), (End::Open, error));
    let bytes = HandshakeLimits { max_bytes: 10, ..limits() };
    let error = closed(&HandshakeError::TooManyBytes { limit: 10 });
    assert_eq!(ended(bytes, "AUTH\r\nAUTH"), (End::Open, error));
}

#[test]
fn each_bound_of_a_client_can_be_set() {
    let ended = |limits: HandshakeLimits, lines: &str| {
        (
            ask_bytes_within(&limits, STEPWISE, &lines[..lines.len() - 1]).end,
            ask_bytes_within(&limits, STEPWISE, lines).end,
        )
    };
    let errors = HandshakeLimits { max_errors: 2, ..limits() };
    let error = closed(&HandshakeError::TooManyErrors { limit: 2 });
    assert_eq!(ended(errors, "HELLO\r\nHELLO\r\n"), (End::Open, error));
    let line = HandshakeLimits { max_line_bytes: 8, ..limits() };
    let error = closed(&HandshakeError::LineTooLong { limit: 8 });
    assert_eq!(ended(line, "HELLO\r\n12345678"), (End::Open, error));
    let bytes = HandshakeLimits { max_bytes: 10, ..limits() };
    let error = closed(&HandshakeError::TooManyBytes { limit: 10 });
    assert_eq!(ended(bytes, "HELLO\r\nHELL"), (End::Open, error));
}

#[test]
fn bounds_of_zero_fail_at_the_first_thing_that_counts_against_them() {
    let none = limits();
    for (limits, lines, error) in [
        (
            HandshakeLimits { max_line_bytes: 0, ..none.clone() },
            "X",
            HandshakeError::LineTooLong { limit: 0 },
        ),
        (
            HandshakeLimits { max_line_bytes: 1, ..none.clone() },
            "X",
            HandshakeError::LineTooLong { limit: 1 },
        ),
        (
            HandshakeLimits { max_errors: 0, ..none.clone() },
            "HELLO\r\n",
            HandshakeError::TooManyErrors { limit: 1 },
        ),
    ] {
        assert_eq!(serve_bytes_within(&limits, "").end, End::Open);
        assert_eq!(serve_bytes_within(&limits, "\0").end, End::Open);
        assert_eq!(serve_bytes_within(&limits, format!("\0{lines}")).end, closed(&error));
        assert_eq!(ask_bytes_within(&limits, STEPWISE, "").end, End::Open);
        assert_eq!(ask_bytes_within(&limits, STEPWISE, lines).end, closed(&error));
    }
    let limits = HandshakeLimits { max_bytes: 0, ..none.clone() };
    let error = closed(&HandshakeError::TooManyBytes { limit: 0 });
    assert_eq!(serve_bytes_within(&limits, "").end, End::Open);
    assert_eq!(serve_bytes_within(&limits, "\0").end, error);
    assert_eq!(ask_bytes_within(&limits, STEPWISE, "").end, End::Open);
    assert_eq!(ask_bytes_within(&limits, STEPWISE, "O").end, error);

    let limits = HandshakeLimits { max_rejects: 0, ..none };
    let story = serve_bytes_within(&limits, "\0AUTH\r\n");
    assert_eq!(story.end, closed(&HandshakeError::TooManyRejects { limit: 1 }));
    assert_eq!(story.said, "REJECTED EXTERNAL ANONYMOUS\r\n");
}

#[test]
fn without_time_a_handshake_ends_at_once() {
    run(async {
        let limits = HandshakeLimits { timeout: Duration::ZERO, ..limits() };
        let (near, _far) = StdUnixStream::pair().unwrap();
        let client = Client::new().handshake_limits(limits.clone()).handshake(near).await;
        let (near, _far) = StdUnixStream::pair().unwrap();
        let server = server().handshake_limits(limits).handshake(near).await;
        for outcome in [client, server] {
            let Err(HandshakeError::TimedOut { after }) = outcome else { panic!("{outcome:?}") };
            assert_eq!(after, Duration::ZERO);
        }
    });
}

#[test]
fn which_bound_is_met_does_not_depend_on_how_the_bytes_are_cut_up() {
    // The rest of 64 KiB is shorter than a line may be, and longer, and just as long.
    for rest in [100, 16383, 16384, 16385, 16386] {
        let taken: usize = 65536 - rest;
        let (whole, last) = (taken / 16384, taken % 16384);
        let mut lines = vec![line(16384); whole];
        if last > 2 {
            lines.push(line(last));
        }
        lines.push(vec![b'X'; 20_000]);
        // Both ways are compared in there.
        ask_bytes(STEPWISE, lines.concat());
        serve_bytes(to_server(&lines));
    }
}

#[test]
fn a_server_closes_after_30_seconds_whatever_the_client_says_meanwhile() {
    run(async {
        tokio::time::pause();
        let (near, mut far) = StdUnixStream::pair().unwrap();
        let start = Instant::now();
        let trickle = async {
            // A byte each second keeps nobody in.
            for byte in b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nNEGOTI" {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if far.write_all(&[*byte]).is_err() {
                    break;
                }
            }
        };
        let server = server();
        let (outcome, ()) =
            tokio::join!(async { (server.handshake(near).await, Instant::now()) }, trickle,);
        let Err(HandshakeError::TimedOut { after }) = outcome.0 else { panic!("{outcome:?}") };
        assert_eq!(after, Duration::from_secs(30));
        assert_eq!((outcome.1 - start).as_secs(), 30);
    });
}

#[test]
fn a_client_gives_up_after_30_seconds_in_either_manner() {
    run(async {
        tokio::time::pause();
        for client in [Client::new(), Client::new().stepwise()] {
            let (near, _far) = StdUnixStream::pair().unwrap();
            let start = Instant::now();
            let outcome = client.handshake(near).await;
            let Err(HandshakeError::TimedOut { after }) = outcome else { panic!("{outcome:?}") };
            assert_eq!(after, Duration::from_secs(30));
            assert_eq!((Instant::now() - start).as_secs(), 30);
        }
    });
}

#[test]
fn a_deadline_can_be_set_on_both_sides() {
    run(async {
        tokio::time::pause();
        let timeout = Duration::from_secs(7);
        let limits = HandshakeLimits { timeout, ..limits() };
        let (near, far) = StdUnixStream::pair().unwrap();
        let start = Instant::now();
        let outcome = server().handshake_limits(limits.clone()).handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::TimedOut { after }) if after == timeout));
        assert_eq!((Instant::now() - start).as_secs(), 7);
        drop(far);

        let (near, far) = StdUnixStream::pair().unwrap();
        let outcome = Client::new().handshake_limits(limits).handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::TimedOut { after }) if after == timeout));
        assert_eq!((Instant::now() - start).as_secs(), 14);
        drop(far);
    });
}

#[test]
fn a_deadline_is_of_the_whole_chain_of_steps() {
    run(async {
        tokio::time::pause();
        let (near, mut far) = StdUnixStream::pair().unwrap();
        let start = Instant::now();
        let unauthenticated = Client::new().start(near).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        far.write_all(format!("DATA\r\n{OK}").as_bytes()).unwrap();
        let outcome = unauthenticated.authenticate(Login::External).await.unwrap();
        let Authentication::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
        tokio::time::sleep(Duration::from_secs(10)).await;
        let outcome = accepted.negotiate_unix_fd().await;
        assert!(matches!(outcome, Err(HandshakeError::TimedOut { .. })), "{outcome:?}");
        assert_eq!((Instant::now() - start).as_secs(), 30);
    });
}

#[test]
fn a_deadline_that_no_clock_reaches_is_none() {
    run(async {
        let limits = HandshakeLimits { timeout: Duration::MAX, ..limits() };
        let client = Client::new().handshake_limits(limits.clone());
        pair_of(&client, &server().handshake_limits(limits)).await;
    });
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_a_server_beyond_the_deadline() {
    run(async {
        tokio::time::pause();
        let (near, mut far) = StdUnixStream::pair().unwrap();
        // Answers that nobody reads fill the smallest of buffers.
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 0).unwrap();
        let limits = HandshakeLimits { max_errors: usize::MAX, max_bytes: usize::MAX, ..limits() };
        far.write_all(b"\0").unwrap();
        far.write_all(&b"X\r\n".repeat(10_000)).unwrap();
        let outcome = server().handshake_limits(limits).handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::TimedOut { .. })), "{outcome:?}");
    });
}
