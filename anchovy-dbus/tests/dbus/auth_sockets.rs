//! The handshake over sockets: what the kernel refuses, what the other end sees, and the chains of
//! types.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use anchovy_dbus::auth::{Login, Mechanism};
use anchovy_dbus::client::{Authenticated, Authentication, Rejected, Unauthenticated};
use anchovy_dbus::server::Progress;
use anchovy_dbus::{
    Client, HandshakeError, ReceiveError, SendErrorKind, Server, server as serving,
};
use rustix::io::Errno;

use crate::auth_machines::{OK, limits};
use crate::harness::*;

const LINES: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
type Socket = AnchovyStream<DBUS_SCM_RIGHTS>;

const AGREE: &str = "AGREE_UNIX_FD\r\n";

/// Sends these bytes with one descriptor.
fn send_fd(far: &StdUnixStream, bytes: &[u8]) -> rustix::io::Result<usize> {
    foreign_send(far, bytes, &[&[memfd().as_fd()]])
}

/// Reads exactly this.
#[track_caller]
fn reads(mut far: &StdUnixStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    far.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

fn can_refuse() -> bool {
    kernel_is_at_least(6, 16)
}

fn is_descriptors(outcome: &Result<impl Sized, HandshakeError>, expected: usize) -> bool {
    matches!(outcome, Err(HandshakeError::Descriptors { count }) if *count == expected)
}

#[test]
fn handshake_bytes_with_descriptors_fail_if_the_kernel_refuses() {
    run(async {
        if !can_refuse() {
            return;
        }
        let (near, far) = StdUnixStream::pair().unwrap();
        let unauthenticated = server().start(near).unwrap();
        for bytes in [&b"\0"[..], b"\0AUTH EXTERNAL\r\n", LINES] {
            assert_eq!(send_fd(&far, bytes), Err(Errno::PERM));
        }
        // Nothing of it arrived, so the handshake can still succeed.
        foreign_send(&far, LINES, &[]).unwrap();
        begin(unauthenticated).await;
    });
}

/// Descriptors with the first byte, with AUTH, with the last byte of BEGIN: closed by us.
async fn refuses_by_itself(server: Server) {
    for split in [0, 1, 20, LINES.len() - 1] {
        let (near, far) = StdUnixStream::pair().unwrap();
        let unauthenticated = server.start(near).unwrap();
        foreign_send(&far, &LINES[..split], &[]).unwrap();
        send_fd(&far, &LINES[split..]).unwrap();
        let outcome = server_handshake(unauthenticated).await;
        assert!(is_descriptors(&outcome, 1), "{split}: {outcome:?}");
    }
}

/// Lets everybody in.
async fn server_handshake(server: serving::Unauthenticated) -> Result<Progress, HandshakeError> {
    server.request().await?.accept().begin().await
}

#[test]
fn handshake_bytes_with_descriptors_close_with_fds_before_agreement() {
    run(refuses_by_itself(server().fds_before_agreement()));
}

#[test]
fn with_fds_before_agreement_and_without_fds_descriptors_end_a_handshake() {
    run(refuses_by_itself(server().fds_before_agreement().without_fds()));
}

#[test]
fn descriptors_with_bytes_of_the_handshake_close_on_an_older_kernel() {
    on_an_older_kernel(refuses_by_itself(server()));
}

#[test]
fn descriptors_after_a_handshake_without_agreement_close_on_old_kernels() {
    on_an_older_kernel(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let lines = [&b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"[..], &signal_bytes("S", 1)].concat();
        send_fd(&far, &lines).unwrap();
        let outcome = server().handshake(near).await;
        assert!(is_descriptors(&outcome, 1), "{outcome:?}");
    });
}

#[test]
fn descriptors_sent_before_agree_unix_fd_fail_if_the_kernel_refuses() {
    run(async {
        if !can_refuse() {
            return;
        }
        let (near, far) = StdUnixStream::pair().unwrap();
        let unauthenticated = server().start(near).unwrap();
        foreign_send(&far, LINES, &[]).unwrap();
        assert_eq!(send_fd(&far, &signal_bytes("S", 1)), Err(Errno::PERM));
        let mut connection = begin(unauthenticated).await;
        send_fd(&far, &signal_bytes("S", 1)).unwrap();
        assert_eq!(connection.receive().await.unwrap().unwrap().fds().len(), 1);
    });
}

#[test]
fn descriptors_sent_before_agree_unix_fd_are_kept_on_an_older_kernel() {
    on_an_older_kernel(async {
        for at_once in [false, true] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let unauthenticated = server().start(near).unwrap();
            if at_once {
                send_fd(&far, &[LINES, &signal_bytes("S", 1)].concat()).unwrap();
            } else {
                foreign_send(&far, LINES, &[]).unwrap();
                send_fd(&far, &signal_bytes("S", 1)).unwrap();
            }
            let mut connection = begin(unauthenticated).await;
            assert_eq!(connection.receive().await.unwrap().unwrap().fds().len(), 1);
        }
    });
}

#[test]
fn descriptors_pass_from_agree_unix_fd_to_cancel_or_error_and_again() {
    run(async {
        if !can_refuse() {
            return;
        }
        let (near, mut far) = StdUnixStream::pair().unwrap();
        let witness = Socket::new(near.try_clone().unwrap()).unwrap();
        let server = server();
        let mut handshake = pin!(server.handshake(near));
        let list = "REJECTED EXTERNAL\r\n";
        for undo in ["CANCEL\r\n", "ERROR\r\n"] {
            let nul = if undo == "CANCEL\r\n" { "\0" } else { "" };
            for (lines, answers) in [
                (format!("{nul}AUTH EXTERNAL\r\nDATA\r\n"), format!("DATA\r\n{OK}")),
                ("NEGOTIATE_UNIX_FD\r\n".to_owned(), AGREE.to_owned()),
                (undo.to_owned(), list.to_owned()),
            ] {
                far.write_all(lines.as_bytes()).unwrap();
                assert!(turn(&mut handshake).await.is_none());
                reads(&far, &answers);
                let passes = answers == AGREE;
                assert_eq!(witness.fd_passing().unwrap(), passes, "after {lines:?}");
                if !passes {
                    assert_eq!(send_fd(&far, b"NEGOTIATE_UNIX_FD\r\n"), Err(Errno::PERM));
                }
            }
        }
        far.write_all(&LINES[1..]).unwrap();
        let mut connection = turn(&mut handshake).await.unwrap().unwrap();
        send_fd(&far, &signal_bytes("S", 1)).unwrap();
        assert_eq!(connection.receive().await.unwrap().unwrap().fds().len(), 1);
    });
}

#[test]
fn with_fds_before_agreement_descriptors_pass_after_cancel_too() {
    run(async {
        let (near, mut far) = StdUnixStream::pair().unwrap();
        let server = server().fds_before_agreement();
        let mut handshake = pin!(server.handshake(near));
        for lines in [
            "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n",
            "CANCEL\r\n",
            "AUTH EXTERNAL\r\nDATA\r\n",
        ] {
            far.write_all(lines.as_bytes()).unwrap();
            assert!(turn(&mut handshake).await.is_none());
        }
        let bytes = [b"NEGOTIATE_UNIX_FD\r\nBEGIN\r\n", &signal_bytes("S", 1)[..]].concat();
        send_fd(&far, &bytes).unwrap();
        let mut connection = turn(&mut handshake).await.unwrap().unwrap();
        assert_eq!(connection.receive().await.unwrap().unwrap().fds().len(), 1);
    });
}

/// As far as this gets without anything more to read.
async fn turn<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    // The first turn may have been the one that makes it wait.
    for _ in 0..2 {
        drive_io().await;
        if let Some(output) = now(&mut *future).await {
            return Some(output);
        }
    }
    None
}

#[test]
fn descriptors_never_pass_to_a_server_that_does_not_agree_to_them() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let unauthenticated = server().without_fds().start(near).unwrap();
        foreign_send(&far, LINES, &[]).unwrap();
        let mut connection = begin(unauthenticated).await;
        reads(&far, &format!("DATA\r\n{OK}ERROR descriptors do not pass here\r\n"));
        assert!(!connection.unix_fds());
        if can_refuse() {
            assert_eq!(send_fd(&far, &signal_bytes("S", 1)), Err(Errno::PERM));
        }
        let error = connection.send(signal("S", memfds(1))).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::FdsNotAgreed { count: 1 }), "{error:?}");
    });
}

#[test]
fn a_server_that_closes_tells_why_before() {
    run(async {
        let (near, mut far) = StdUnixStream::pair().unwrap();
        far.write_all(b"\0AUTH EXTERNAL 7a\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\0\x01").unwrap();
        let outcome = server().handshake(near).await;
        assert!(matches!(outcome, Err(HandshakeError::BeginTooEarly)), "{outcome:?}");
        let mut answers = String::new();
        far.read_to_string(&mut answers).unwrap();
        assert_eq!(answers, "REJECTED EXTERNAL\r\nERROR not now\r\n");
    });
}

#[test]
fn a_closed_handshake_names_the_fix_for_a_pipelined_client_only() {
    run(async {
        for (client, pipelined) in [(Client::new(), true), (Client::new().stepwise(), false)] {
            for reset in [false, true] {
                let (near, far) = StdUnixStream::pair().unwrap();
                if reset {
                    // Who closes with bytes unread resets the connection.
                    let mut handshake = pin!(client.handshake(near));
                    assert!(turn(&mut handshake).await.is_none());
                    assert!(rustix::io::ioctl_fionread(&far).unwrap() > 0);
                    drop(far);
                    check(handshake.await.map(drop), pipelined);
                } else {
                    drop(far);
                    check(client.handshake(near).await.map(drop), pipelined);
                }
            }
        }
    });

    #[track_caller]
    fn check(outcome: Result<(), HandshakeError>, expected: bool) {
        let Err(error) = outcome else { panic!("it is closed") };
        assert!(
            matches!(error, HandshakeError::Closed { pipelined } if pipelined == expected),
            "{error:?}"
        );
        assert_eq!(error.to_string().contains("xdg-dbus-proxy"), expected);
        assert_eq!(error.to_string().contains("stepwise"), expected);
    }
}

#[test]
fn a_server_reports_that_the_client_has_closed() {
    run(async {
        for said in [&b""[..], b"\0", b"\0AUTH EXTERNAL\r\n", &LINES[..LINES.len() - 1]] {
            let (near, mut far) = StdUnixStream::pair().unwrap();
            far.write_all(said).unwrap();
            drop(far);
            let outcome = server().handshake(near).await;
            let is_closed = matches!(outcome, Err(HandshakeError::Closed { pipelined: false }));
            assert!(is_closed, "{outcome:?}");
        }
    });
}

async fn accepted(client: Unauthenticated, login: Login) -> Authenticated {
    match client.authenticate(login).await.unwrap() {
        Authentication::Accepted(accepted) => accepted,
        Authentication::Rejected(rejected) => panic!("{rejected:?}"),
    }
}

async fn rejected(client: Unauthenticated, login: Login) -> Rejected {
    match client.authenticate(login).await.unwrap() {
        Authentication::Accepted(accepted) => panic!("{accepted:?}"),
        Authentication::Rejected(rejected) => rejected,
    }
}

#[test]
fn a_client_that_was_rejected_gets_in_with_another_login() {
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let server = server().anonymous();
        let client = async {
            let client = Client::new().start(near).unwrap();
            let nobody = u32::MAX - 1;
            let rejected = rejected(client, Login::ExternalUid(nobody)).await;
            assert_eq!(rejected.mechanisms(), "EXTERNAL ANONYMOUS");
            let outcome = rejected.authenticate(Login::Anonymous).await.unwrap();
            let Authentication::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
            assert_eq!(accepted.guid(), guid());
            let negotiated = accepted.negotiate_unix_fd().await.unwrap();
            assert!(negotiated.unix_fds());
            negotiated.begin().await.unwrap()
        };
        let (client, server) = tokio::join!(client, server.handshake(far));
        assert!(client.unix_fds() && server.unwrap().unix_fds());
    });
}

#[test]
fn a_client_authenticates_again_after_it_has_canceled() {
    run(async {
        for negotiates in [false, true] {
            let (near, far) = tokio::net::UnixStream::pair().unwrap();
            let client = async {
                let accepted = accepted(Client::new().start(near).unwrap(), Login::External).await;
                let rejected = if negotiates {
                    accepted.negotiate_unix_fd().await.unwrap().cancel().await.unwrap()
                } else {
                    accepted.cancel().await.unwrap()
                };
                assert_eq!(rejected.mechanisms(), "EXTERNAL");
                let outcome = rejected.authenticate(Login::External).await.unwrap();
                let Authentication::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
                // Without another NEGOTIATE_UNIX_FD.
                accepted.begin().await.unwrap()
            };
            let server = async {
                let request = server().start(far).unwrap().request().await.unwrap();
                let progress = request.accept().begin().await.unwrap();
                let Progress::Cancelled(unauthenticated) = progress else { panic!("{progress:?}") };
                begin(unauthenticated).await
            };
            let (client, server) = tokio::join!(client, server);
            assert!(!client.unix_fds() && !server.unix_fds());
        }
    });
}

#[test]
fn a_rejected_client_can_authenticate_again() {
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let client = async {
            let rejected = rejected(Client::new().start(near).unwrap(), Login::Anonymous).await;
            let outcome = rejected.authenticate(Login::External).await.unwrap();
            let Authentication::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
            accepted.begin().await.unwrap()
        };
        let server = async {
            let request = server().anonymous().start(far).unwrap().request().await.unwrap();
            assert_eq!((request.mechanism(), request.uid()), (Mechanism::Anonymous, None));
            let unauthenticated = request.reject().await.unwrap();
            let request = unauthenticated.request().await.unwrap();
            let uid = rustix::process::geteuid().as_raw();
            assert_eq!((request.mechanism(), request.uid()), (Mechanism::External, Some(uid)));
            assert_eq!(request.peer_cred().uid(), uid);
            let progress = request.accept().begin().await.unwrap();
            let Progress::Begun(connection) = progress else { panic!("{progress:?}") };
            connection
        };
        tokio::join!(client, server);
    });
}

#[test]
fn a_server_that_rejects_for_the_last_time_says_so_and_closes() {
    run(async {
        let (near, mut far) = StdUnixStream::pair().unwrap();
        far.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\n").unwrap();
        let limits = anchovy_dbus::HandshakeLimits { max_rejects: 1, ..limits() };
        let unauthenticated = server().handshake_limits(limits).start(near).unwrap();
        let outcome = unauthenticated.request().await.unwrap().reject().await;
        let is_last = matches!(outcome, Err(HandshakeError::TooManyRejects { limit: 1 }));
        assert!(is_last, "{outcome:?}");
        let mut answers = String::new();
        far.read_to_string(&mut answers).unwrap();
        assert_eq!(answers, "DATA\r\nREJECTED EXTERNAL\r\n");
    });
}

#[test]
fn the_authorize_function_gets_the_credentials_and_the_mechanism() {
    run(async {
        let own = rustix::process::geteuid().as_raw();
        let server = server().anonymous().authorize(move |credentials, mechanism| {
            credentials.uid() == own && mechanism == Mechanism::Anonymous
        });
        for (login, comes_in) in [(Login::External, false), (Login::Anonymous, true)] {
            let (near, far) = tokio::net::UnixStream::pair().unwrap();
            let client = Client::new().login(login);
            let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
            assert_eq!((client.is_ok(), server.is_ok()), (comes_in, comes_in));
            let Err(error) = client else { continue };
            assert!(matches!(error, HandshakeError::Rejected { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_client_that_does_not_ask_for_descriptors_gets_and_sends_none() {
    run(async {
        for client in [Client::new(), Client::new().stepwise()] {
            let (mut client, mut server) = pair_of(&client.without_fds(), &server()).await;
            assert!(!client.unix_fds() && !server.unix_fds());
            for connection in [&mut client, &mut server] {
                let error = connection.send(signal("S", memfds(1))).await.unwrap_err();
                let is_refused = matches!(error.kind, SendErrorKind::FdsNotAgreed { count: 1 });
                assert!(is_refused, "{error:?}");
            }
        }
    });
}

/// A server that sends descriptors with the answers, on a kernel that cannot refuse them.
async fn descriptors_without_agreement(client: Client, answers: &str) {
    let (near, far) = StdUnixStream::pair().unwrap();
    let bytes = [answers.as_bytes(), &signal_bytes("S", 1)].concat();
    send_fd(&far, &bytes).unwrap();
    match client.handshake(near).await {
        Err(HandshakeError::Descriptors { count: 1 }) => {}
        Ok(mut connection) => {
            let error = connection.receive().await.unwrap_err();
            assert!(matches!(error, ReceiveError::FdsNotAgreed { .. }), "{error:?}");
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn descriptors_that_a_client_has_not_agreed_to_end_it_in_either_manner() {
    on_an_older_kernel(async {
        let answers = format!("DATA\r\n{OK}");
        descriptors_without_agreement(Client::new().without_fds(), &answers).await;
        descriptors_without_agreement(Client::new().stepwise().without_fds(), &answers).await;
        let answers = format!("DATA\r\n{OK}ERROR\r\n");
        descriptors_without_agreement(Client::new(), &answers).await;
        descriptors_without_agreement(Client::new().stepwise(), &answers).await;
    });
}

#[test]
fn a_handshake_that_is_dropped_closes_its_socket_and_what_has_arrived() {
    run(async {
        let (near, mut far) = StdUnixStream::pair().unwrap();
        let (reader, writer): (OwnedFd, OwnedFd) = pipe();
        {
            let server = server().fds_before_agreement();
            let mut handshake = pin!(server.start(near).unwrap().request());
            far.write_all(b"\0AUTH EXTERNAL\r\n").unwrap();
            assert!(turn(&mut handshake).await.is_none());
            reads(&far, "DATA\r\n");
            foreign_send(&far, b"DATA\r\nNEGO", &[&[writer.as_fd()]]).unwrap();
            drop(writer);
        }
        assert!(is_abandoned(&reader));
        assert_eq!(far.read(&mut [0]).unwrap_or(0), 0);
    });
}

#[test]
fn too_many_descriptors_at_once_have_their_own_error() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let (server, fds) = (server().fds_before_agreement(), memfds(17));
        let set: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        foreign_send(&far, b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl", &[&set])
            .unwrap();
        let error = server.handshake(near).await.unwrap_err();
        assert!(matches!(error, HandshakeError::TooManyFds { count: 17, limit: 16 }), "{error}");
    });
}
