//! zbus at the other end: its clients on our server, and our clients on its server.
//!
//! A connection of zbus closes its socket once the task that reads for it is gone, at the latest
//! with the runtime, which ends before descriptors are counted.

use std::os::fd::AsFd;

use anchovy_dbus::auth::{HandshakeError, Login};
use anchovy_dbus::{Client, Connection, Message, ReceiveError, SendErrorKind, Server};
use futures_util::StreamExt;
use zbus::MessageStream;
use zbus::conn::AuthMechanism;
use zbus::connection::Builder;

use crate::harness::*;

const PATH: &str = "/org/example/Test";
const INTERFACE: &str = "org.example.Test";

/// More than a socket takes before its peer reads (`net.core.wmem_default`, 208 KiB), in both of
/// its buffers.
const LARGE: usize = 4 << 20;

/// A client of zbus on our server, as it comes and with what is asked of it.
async fn zbus_client_of(
    server: &Server,
    with: impl FnOnce(Builder<'static>) -> Builder<'static>,
) -> (Result<zbus::Connection, zbus::Error>, Result<Connection, HandshakeError>) {
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let client = with(Builder::unix_stream(near).p2p());
    // A side that fails closes, so that the other one does not wait.
    tokio::join!(client.build(), server.handshake(far))
}

async fn zbus_client() -> (zbus::Connection, Connection) {
    let (client, server) = zbus_client_of(&server(), |client| client).await;
    (client.expect("a client of zbus"), server.expect("a server"))
}

/// Our client on a server of zbus, which offers one mechanism.
async fn zbus_server_of(
    client: &Client,
    mechanism: AuthMechanism,
) -> (Result<Connection, HandshakeError>, Result<zbus::Connection, zbus::Error>) {
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let guid = guid().to_string();
    let server = Builder::unix_stream(far).server(&*guid).p2p().auth_mechanism(mechanism);
    tokio::join!(client.handshake(near), server.build())
}

async fn zbus_server() -> (Connection, zbus::Connection) {
    let (client, server) = zbus_server_of(&Client::new(), AuthMechanism::External).await;
    (client.expect("a client"), server.expect("a server of zbus"))
}

/// The body of a message of ours with so many descriptors: an array of their indices.
fn indices(count: u32) -> Vec<u8> {
    let numbers = [4 * count].into_iter().chain(0..count);
    numbers.flat_map(u32::to_ne_bytes).collect()
}

/// A signal of ours with so many descriptors.
fn signal_with(fds: Vec<std::os::fd::OwnedFd>) -> Message {
    let body = indices(fds.len() as u32);
    Message::signal(PATH, INTERFACE, "Take").body("ah", body).fds(fds).build().unwrap()
}

/// The same of zbus, which duplicates them.
fn zbus_signal_with<F: AsFd>(fds: &[F]) -> zbus::Message {
    let fds: Vec<zbus::Fd<'_>> = fds.iter().map(|fd| fd.as_fd().into()).collect();
    zbus::Message::signal(PATH, INTERFACE, "Take").build(&fds).unwrap()
}

fn zbus_plain(member: &'static str) -> zbus::Message {
    zbus::Message::signal(PATH, INTERFACE, member).build(&7_u32).unwrap()
}

/// What the descriptors are that zbus finds in the body of a message.
fn zbus_identities(message: &zbus::Message) -> Vec<Identity> {
    identities(message.body().deserialize::<Vec<zbus::OwnedFd>>().unwrap())
}

async fn received(connection: &mut Connection) -> Message {
    connection.receive().await.expect("a good message").expect("a message")
}

async fn zbus_received(stream: &mut MessageStream) -> zbus::Message {
    stream.next().await.expect("a message").expect("a good message")
}

#[test]
fn a_client_of_zbus_authenticates_and_receives_the_guid() {
    run(async {
        for mechanism in [AuthMechanism::External, AuthMechanism::Anonymous] {
            let with = |client: Builder<'static>| client.auth_mechanism(mechanism);
            let (client, ours) = zbus_client_of(&server().anonymous(), with).await;
            let (client, ours) = (client.unwrap(), ours.unwrap());
            assert_eq!(client.server_guid().as_str(), guid().to_string());
            assert_eq!(ours.guid(), guid());
            assert!(ours.unix_fds());
        }
    });
}

#[test]
fn a_client_of_zbus_that_lies_about_its_uid_stays_outside() {
    run(async {
        let with = |client: Builder<'static>| client.user_id(12_345);
        let (client, ours) = zbus_client_of(&server(), with).await;
        let error = client.unwrap_err().to_string();
        assert!(error.contains("rejected by the server"), "{error}");
        assert!(error.contains("EXTERNAL"), "{error}");
        ours.unwrap_err();
    });
}

#[test]
fn a_client_of_zbus_without_descriptors_is_sent_none() {
    run(async {
        let (client, ours) = zbus_client_of(&server().without_fds(), |client| client).await;
        let (client, mut ours) = (client.unwrap(), ours.unwrap());
        assert!(!ours.unix_fds());
        let refused = client.send(&zbus_signal_with(&memfds(1))).await.unwrap_err();
        assert!(matches!(refused, zbus::Error::Unsupported), "{refused}");
        client.send(&zbus_plain("First")).await.unwrap();
        received(&mut ours).await;
        let refused = ours.send(signal_with(memfds(1))).await.unwrap_err();
        assert!(matches!(refused.kind, SendErrorKind::FdsNotAgreed { count: 1 }));
    });
}

#[test]
fn every_login_is_understood_by_a_server_of_zbus_at_once_and_step_by_step() {
    run(async {
        let uid = rustix::process::geteuid().as_raw();
        for (login, mechanism) in [
            (Login::External, AuthMechanism::External),
            (Login::ExternalUid(uid), AuthMechanism::External),
            (Login::Anonymous, AuthMechanism::Anonymous),
        ] {
            for client in [Client::new(), Client::new().stepwise()] {
                let client = client.login(login).guid(guid());
                let (ours, server) = zbus_server_of(&client, mechanism).await;
                let (ours, server) = (ours.unwrap(), server.unwrap());
                assert_eq!(ours.guid().to_string(), server.server_guid().as_str());
                assert!(ours.unix_fds(), "{login:?}");
            }
        }
    });
}

#[test]
fn a_rejection_by_a_server_of_zbus_has_its_mechanisms() {
    run(async {
        // It waits for another try, which ends when we hang up.
        for client in [Client::new(), Client::new().stepwise()] {
            let client = client.login(Login::ExternalUid(12_345));
            let (ours, server) = zbus_server_of(&client, AuthMechanism::External).await;
            let HandshakeError::Rejected { mechanisms } = ours.unwrap_err() else {
                panic!("it was rejected");
            };
            assert_eq!(mechanisms, "EXTERNAL");
            server.unwrap_err();
        }
    });
}

#[test]
fn a_call_of_zbus_is_answered_with_a_value_and_with_an_error() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        let serve = async {
            let call = received(&mut ours).await;
            let header = call.header();
            assert_eq!((header.path(), header.interface()), (Some(PATH), Some(INTERFACE)));
            assert_eq!((header.member(), header.signature()), (Some("Double"), "u"));
            let number = u32::from_ne_bytes(call.body()[..].try_into().unwrap());
            let body = (2 * number).to_ne_bytes().to_vec();
            ours.send(Message::method_return(&call).body("u", body).build().unwrap())
                .await
                .unwrap();

            let call = received(&mut ours).await;
            let error = Message::error(&call, "org.example.Error.No").build().unwrap();
            ours.send(error).await.unwrap();
        };
        let drive = async {
            let answer = client.call_method(None::<()>, PATH, Some(INTERFACE), "Double", &21_u32);
            assert_eq!(answer.await.unwrap().body().deserialize::<u32>().unwrap(), 42);

            let answer = client.call_method(None::<()>, PATH, Some(INTERFACE), "Fail", &()).await;
            let zbus::Error::MethodError(name, ..) = answer.unwrap_err() else {
                panic!("it was answered with an error");
            };
            assert_eq!(name.as_str(), "org.example.Error.No");
        };
        tokio::join!(serve, drive);
    });
}

#[test]
fn a_call_of_ours_is_answered_by_zbus() {
    run(async {
        let (mut ours, server) = zbus_server().await;
        let mut calls = MessageStream::from(&server);
        let call = Message::method_call(PATH, "Double").interface(INTERFACE);
        let call = call.body("u", 21_u32.to_ne_bytes().to_vec()).build().unwrap();
        let serial = ours.send(call).await.unwrap();

        let call = zbus_received(&mut calls).await;
        assert_eq!(call.header().member().unwrap().as_str(), "Double");
        assert_eq!(call.primary_header().serial_num(), serial);
        let number: u32 = call.body().deserialize().unwrap();
        server.reply(&call.header(), &(2 * number)).await.unwrap();

        let answer = received(&mut ours).await;
        assert_eq!(answer.header().reply_serial(), Some(serial));
        assert_eq!(
            (answer.header().signature(), &answer.body()[..]),
            ("u", &42_u32.to_ne_bytes()[..])
        );
    });
}

#[test]
fn descriptors_cross_with_a_call_of_zbus_and_with_its_answer() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        let (there, back) = (memfds(3), memfds(2));
        let expected = (identities(&there), identities(&back));
        let serve = async {
            let mut call = received(&mut ours).await;
            assert_eq!(call.header().signature(), "ah");
            assert_eq!(call.body()[..], indices(3));
            assert_eq!(identities(call.take_fds()), expected.0);
            let answer = Message::method_return(&call).body("ah", indices(2)).fds(back);
            ours.send(answer.build().unwrap()).await.unwrap();
        };
        let drive = async {
            let fds: Vec<zbus::Fd<'_>> = there.iter().map(|fd| fd.as_fd().into()).collect();
            let answer = client.call_method(None::<()>, PATH, Some(INTERFACE), "Swap", &fds).await;
            assert_eq!(zbus_identities(&answer.unwrap()), expected.1);
        };
        tokio::join!(serve, drive);
    });
}

#[test]
fn sixteen_descriptors_cross_in_both_directions_and_in_order() {
    run(async {
        let (mut ours, server) = zbus_server().await;
        let mut signals = MessageStream::from(&server);
        let fds = memfds(16);
        let expected = identities(&fds);
        ours.send(signal_with(fds)).await.unwrap();
        assert_eq!(zbus_identities(&zbus_received(&mut signals).await), expected);

        let fds = memfds(16);
        server.send(&zbus_signal_with(&fds)).await.unwrap();
        let signal = received(&mut ours).await;
        assert_eq!(identities(signal.fds()), identities(&fds));
    });
}

#[test]
fn seventeen_descriptors_of_zbus_are_more_than_our_server_takes() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        client.send(&zbus_signal_with(&memfds(17))).await.unwrap();
        let error = ours.receive().await.unwrap_err();
        assert!(matches!(error, ReceiveError::TooManyFds { count: 17, limit: 16 }), "{error}");
    });
}

#[test]
fn our_server_sends_zbus_no_descriptors_before_its_first_message() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        let mut signals = MessageStream::from(&client);
        let fds = memfds(1);
        let expected = identities(&fds);
        let refused = ours.send(signal_with(fds)).await.unwrap_err();
        assert!(matches!(refused.kind, SendErrorKind::FdsTooEarly { count: 1 }));

        client.send(&zbus_plain("First")).await.unwrap();
        received(&mut ours).await;
        ours.send(*refused.unsent.expect("it comes back")).await.unwrap();
        assert_eq!(zbus_identities(&zbus_received(&mut signals).await), expected);
    });
}

#[test]
fn a_body_larger_than_the_socket_buffer_is_sent_in_both_directions() {
    run(async {
        let (mut ours, server) = zbus_server().await;
        let mut signals = MessageStream::from(&server);
        let data: Vec<u8> = (0..LARGE).map(|at| (at / 7) as u8).collect();

        let fds = memfds(1);
        let expected = identities(&fds);
        // A structure of the bytes and of the index of the descriptor.
        let mut body = (LARGE as u32).to_ne_bytes().to_vec();
        body.extend_from_slice(&data);
        body.extend_from_slice(&0_u32.to_ne_bytes());
        let large = Message::signal(PATH, INTERFACE, "Large").body("ayh", body).fds(fds);
        let large = large.build().unwrap();
        let (sent, arrived) = tokio::join!(ours.send(large), zbus_received(&mut signals));
        sent.unwrap();
        let body = arrived.body();
        let (bytes, fd): (Vec<u8>, zbus::OwnedFd) = body.deserialize().unwrap();
        assert!(bytes == data, "the same bytes");
        assert_eq!(identities([fd]), expected);

        let fd = memfd();
        let large = zbus::Message::signal(PATH, INTERFACE, "Large");
        let large = large.build(&(&data, zbus::Fd::from(&fd))).unwrap();
        let (sent, arrived) = tokio::join!(server.send(&large), received(&mut ours));
        sent.unwrap();
        assert!(arrived.body()[4..4 + LARGE] == data, "the same bytes");
        assert_eq!(identities(arrived.fds()), [identity(fd)]);
    });
}

/// zbus puts up to 16 messages into one call, and one with descriptors first if there is one.
#[test]
fn every_message_of_a_batch_of_zbus_has_its_own_descriptors() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        // With some at the start, next to each other, and after and before plain ones.
        let counts = [2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 16, 0, 1, 1];
        let sets: Vec<_> = counts.into_iter().cycle().take(70).map(memfds).collect();
        let batch: Vec<_> = sets
            .iter()
            .map(|fds| if fds.is_empty() { zbus_plain("Plain") } else { zbus_signal_with(fds) })
            .collect();
        let send = async { client.send_all(&batch).await.unwrap() };
        let receive = async {
            for fds in &sets {
                let message = received(&mut ours).await;
                assert_eq!(identities(message.fds()), identities(fds));
            }
        };
        tokio::join!(send, receive);
    });
}

/// Ours are plain ones together, and each with descriptors alone.
#[test]
fn zbus_finds_the_descriptors_of_every_message_that_we_send_together() {
    run(async {
        let (mut ours, server) = zbus_server().await;
        let mut signals = MessageStream::from(&server);
        let counts = [2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 16, 0, 1, 1];
        let sets: Vec<_> = counts.into_iter().cycle().take(70).map(memfds).collect();
        let expected: Vec<_> = sets.iter().map(identities).collect();
        let send = async {
            for fds in sets {
                let message = if fds.is_empty() { signal("Plain", fds) } else { signal_with(fds) };
                ours.feed(message).await.unwrap();
            }
            ours.flush().await.unwrap();
        };
        let receive = async {
            for expected in &expected {
                let message = zbus_received(&mut signals).await;
                if expected.is_empty() {
                    assert_eq!(message.header().member().unwrap().as_str(), "Plain");
                } else {
                    assert_eq!(&zbus_identities(&message), expected);
                }
            }
        };
        tokio::join!(send, receive);
    });
}

#[test]
fn zbus_that_hangs_up_ends_our_connection_between_two_messages() {
    run(async {
        let (client, mut ours) = zbus_client().await;
        client.send(&zbus_plain("Last")).await.unwrap();
        client.close().await.unwrap();
        assert_eq!(received(&mut ours).await.header().member(), Some("Last"));
        assert!(ours.receive().await.unwrap().is_none());
    });
}
