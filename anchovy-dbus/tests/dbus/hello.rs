//! The first message to a bus: its name for the client, and what happens without it.

use std::io;
use std::pin::pin;

use anchovy_dbus::{CallError, Client, Limits, Message, OpenError, ReceiveError};

use crate::foreign::*;
use crate::harness::*;

/// The bus would disconnect who sends another message first, and descriptors too early.
#[test]
fn a_first_message_with_descriptors_waits_until_they_are_agreed_on() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let addresses = format!("unix:path={}", path.display());
        for count in [0, 1, 17] {
            let fds = memfds(count);
            let expected = identities(&fds);
            let client = Client::new();
            let connect = client.connect_and_send(&addresses, signal("First", fds));
            let serve = async {
                let (socket, _) = listener.accept().await.unwrap();
                let mut connection = server().handshake(socket).await.unwrap();
                connection.receive().await.unwrap()
            };
            let (opened, first) = tokio::join!(connect, serve);
            match opened {
                Ok(_) => assert_eq!(identities(first.unwrap().fds()), expected),
                Err(OpenError::First(refused)) if count == 17 => {
                    let signal = refused.unsent.expect("it comes back");
                    assert_eq!(identities(signal.fds()), expected);
                }
                Err(error) => panic!("{count}: {error}"),
            }
        }
    });
}

#[test]
fn a_text_that_is_no_address_is_an_error_that_names_it() {
    run(async {
        let error = Client::new().connect("unix:way=/tmp/bus").await.unwrap_err();
        assert!(matches!(error, OpenError::Address(_)), "{error:?}");
        assert_eq!(
            chain(&error),
            "\"unix:way=/tmp/bus\" is not a valid list of D-Bus addresses: a Unix socket has no \
             key way (byte 5); use path, abstract, dir, tmpdir, runtime or guid"
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
    });
}

/// The kernel resets a connection that is closed with unread bytes.
#[test]
fn a_reset_before_hello_is_the_same_error() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        connection.send(bus_call("ListNames")).await.unwrap();
        drop(foreign);
        let error = connection.receive().await.unwrap_err();
        assert!(matches!(error, ReceiveError::ClosedBeforeHello), "{error:?}");
        assert!(connection.receive().await.unwrap().is_none());
    });
}

/// Has a client send this, if anything, and the peer send that before it closes the connection.
async fn ends_without_error(role: Role, sent: Option<Message>, answer: &[u8]) {
    let (mut connection, foreign) = role.connected().await;
    if let Some(message) = sent {
        connection.send(message).await.unwrap();
        foreign_receive(&foreign.socket, 2048);
    }
    foreign.send(answer, 0);
    drop(foreign);
    if !answer.is_empty() {
        take(&mut connection).await;
    }
    assert!(connection.receive().await.unwrap().is_none());
}

#[test]
fn every_other_end_between_messages_is_no_error() {
    run(async {
        ends_without_error(Role::Client, None, &[]).await;
        ends_without_error(Role::Client, Some(signal("A", Vec::new())), &[]).await;
        ends_without_error(Role::Client, Some(bus_call("Hello")), &[]).await;
        let call = bus_call("ListNames");
        ends_without_error(Role::Client, Some(call), &message("A", 0, 0)).await;
        ends_without_error(Role::Server, Some(bus_call("ListNames")), &[]).await;
    });
}

/// Replies to the first message of a client with this body.
async fn hello_with(signature: &str, body: Vec<u8>) -> Result<String, CallError> {
    let (mut connection, foreign) = Role::Client.connected().await;
    let mut hello = pin!(async { connection.hello().await.map(str::to_owned) });
    assert!(at_once(&mut hello).await.is_none());
    let (bytes, ..) = foreign_receive(&foreign.socket, 2048);
    let call = Message::from_bytes(bytes.into(), Vec::new()).unwrap();
    let reply = Message::method_return(&call).body(signature, body).serial(call.serial().unwrap());
    foreign.send(&reply.build().unwrap().to_bytes().unwrap(), 0);
    hello.await
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_ne_bytes()[..], text.as_bytes(), &[0]].concat()
}

#[test]
fn a_reply_to_hello_without_a_unique_name_is_an_error() {
    run(async {
        assert_eq!(hello_with("s", string(":1.7")).await.unwrap(), ":1.7");
        let long = format!(":1.{}", "7".repeat(300));
        for (signature, body) in [
            ("", Vec::new()),
            ("u", 7_u32.to_ne_bytes().to_vec()),
            ("s", string("org.example.Name")),
            ("s", string(":1")),
            ("s", string(&long)),
        ] {
            let error = hello_with(signature, body).await.unwrap_err();
            assert!(matches!(error, CallError::NoUniqueName { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_hello_that_times_out_can_be_waited_for_again() {
    run(async {
        let limits = Limits { max_abandoned_calls: 1, ..Limits::client() };
        let client = Client::new().limits(limits);
        let (mut connection, foreign) = Role::Client.meet_with(&client, &server()).await;
        for _ in 0..3 {
            tokio::time::pause();
            let error = connection.hello().await.unwrap_err();
            assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
            tokio::time::resume();
        }
        let (bytes, ..) = foreign_receive(&foreign.socket, 4096);
        let call = Message::from_bytes(bytes.into(), Vec::new()).expect("one message");
        let reply = Message::method_return(&call).body("s", string(":1.7"));
        let reply = reply.serial(call.serial().unwrap()).build().unwrap();
        foreign.send(&reply.to_bytes().unwrap(), 0);
        assert_eq!(connection.hello().await.unwrap(), ":1.7");
    });
}
