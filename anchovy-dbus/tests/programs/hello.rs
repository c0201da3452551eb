//! The first message to a bus, which is dbus-daemon.

use std::io;
use std::process::Command;

use anchovy_dbus::{
    Addresses, CallError, Client, Connection, Message, ReceiveError, SendErrorKind,
};

use crate::foreign::*;
use crate::harness::*;

/// The names in the `NameAcquired` that the bus sends after its reply to `Hello`.
async fn name_acquired(connection: &mut Connection) -> Message {
    let message = connection.receive().await.expect("no error").expect("a message");
    assert_eq!(message.header().member(), Some("NameAcquired"));
    message
}

#[test]
fn hello_returns_the_name_on_the_bus_and_is_sent_once() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        assert_eq!(bus.unique_name(), None);
        let name = bus.hello().await.unwrap().to_owned();
        assert!(name.starts_with(":1."), "{name}");
        // A bus refuses a second one.
        assert_eq!(bus.hello().await.unwrap(), name);
        assert_eq!(bus.unique_name(), Some(&*name));
        assert_eq!(name_acquired(&mut bus).await.header().destination(), Some(&*name));
        let error = bus.call(bus_call("Hello")).await.unwrap_err();
        let CallError::ErrorReply(error) = error else { panic!("{error:?}") };
        assert_eq!(error.name(), "org.freedesktop.DBus.Error.Failed");
        let (reads, writes) = bus.into_split();
        assert_eq!((reads.unique_name(), writes.unique_name()), (Some(&*name), Some(&*name)));
    });
}

#[test]
fn a_hello_that_is_dropped_goes_on_with_the_next_call() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        for _ in 0..3 {
            assert!(now(bus.hello()).await.is_none());
        }
        let name = bus.hello().await.unwrap().to_owned();
        assert_eq!(name_acquired(&mut bus).await.header().destination(), Some(&*name));
    });
}

#[test]
fn a_reply_to_a_dropped_hello_still_tells_the_name() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        assert!(now(bus.hello()).await.is_none());
        let acquired = name_acquired(&mut bus).await;
        assert_eq!(bus.unique_name(), acquired.header().destination());
        assert_eq!(Some(&*bus.hello().await.unwrap().to_owned()), bus.unique_name());
    });
}

#[test]
fn a_hello_that_the_caller_sends_tells_the_name_too() {
    run(async {
        let daemon = DbusDaemon::start();
        for stepwise in [false, true] {
            let client = if stepwise { Client::new().stepwise() } else { Client::new() };
            let first = bus_call("Hello");
            let (mut bus, serial) = client.connect_and_send(daemon.address(), first).await.unwrap();
            let reply = bus.receive().await.unwrap().unwrap();
            assert_eq!(reply.header().reply_serial(), Some(serial));
            assert_eq!(bus.unique_name(), reply.header().destination());
            bus.hello().await.unwrap();
        }
    });
}

#[test]
fn a_call_to_the_own_name_times_out_and_is_received() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        let name = bus.hello().await.unwrap().to_owned();
        let fds = memfds(1);
        let expected = identities(&fds);
        let call = Message::method_call("/", "Ask").destination(&name).fds(fds).build().unwrap();
        tokio::time::pause();
        let error = bus.call(call).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
        tokio::time::resume();
        assert_eq!(take(&mut bus).await.0, "NameAcquired");
        assert_eq!(take(&mut bus).await, ("Ask".to_owned(), expected));
    });
}

/// In a process of its own, whose environment says where the buses are.
#[test]
fn the_session_bus_and_the_system_bus_are_connected_to_with_hello() {
    const TEST: &str = "hello::the_session_bus_and_the_system_bus_are_connected_to_with_hello";
    const SUBJECT: &str = "ANCHOVY_BUSES_SUBJECT";
    if std::env::var_os(SUBJECT).is_some() {
        run(async {
            let mut session = Client::session().await.unwrap();
            let mut system = Client::system().await.unwrap();
            assert_ne!(session.guid(), system.guid());
            for bus in [&mut session, &mut system] {
                let name = bus.unique_name().expect("it has said hello").to_owned();
                assert_eq!(name_acquired(bus).await.header().destination(), Some(&*name));
            }
        });
        return;
    }
    guarded(|| {
        let (session, system) = (DbusDaemon::start(), DbusDaemon::start());
        let output = Command::new(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", TEST, "--test-threads", "1"])
            .env(SUBJECT, "1")
            .env("DBUS_SESSION_BUS_ADDRESS", session.address())
            .env("DBUS_SYSTEM_BUS_ADDRESS", system.address())
            .output()
            .expect("this test is a program");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
    });
}

#[test]
fn whatever_parses_as_addresses_is_connected_to() {
    run(async {
        let daemon = DbusDaemon::start();
        let text = daemon.address();
        let addresses: Addresses = text.parse().unwrap();
        let address = addresses.iter().next().unwrap().clone();
        let client = Client::new();
        client.connect(text).await.unwrap();
        client.connect(text.to_owned()).await.unwrap();
        client.connect(&text.to_owned()).await.unwrap();
        client.connect(&address).await.unwrap();
        client.connect(address).await.unwrap();
        client.connect(&addresses).await.unwrap();
        client.connect(addresses).await.unwrap();
    });
}

/// A call to a client of the bus.
///
/// dbus-daemon 1.16 replies with an error to a call of its own, and closes the connection after every
/// other message.
fn client_call() -> Message {
    let call = Message::method_call("/", "Ask").destination("org.example.Service");
    call.build().expect("a good call")
}

const MISSED: &str = "the bus closed the connection before it sent a message, because the first \
    message to it was not Hello; call `hello` first";

#[test]
fn a_call_before_hello_fails_with_that() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        let error = bus.call(client_call()).await.unwrap_err();
        assert!(matches!(error, CallError::ClosedBeforeHello), "{error:?}");
        assert_eq!(error.to_string(), MISSED);
        // `receive` reports it once, and `send` always.
        assert!(bus.receive().await.unwrap().is_none());
        for _ in 0..2 {
            let error = bus.send(bus_call("Hello")).await.unwrap_err();
            assert!(matches!(error.kind, SendErrorKind::ClosedBeforeHello), "{error:?}");
            assert_eq!(error.to_string(), MISSED);
            let error = bus.hello().await.unwrap_err();
            assert!(!matches!(error, CallError::Timeout { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_message_before_hello_ends_the_connection_with_that() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        bus.send(client_call()).await.unwrap();
        let error = bus.receive().await.unwrap_err();
        assert!(matches!(error, ReceiveError::ClosedBeforeHello), "{error:?}");
        assert_eq!(error.to_string(), MISSED);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::UnexpectedEof);
        assert!(bus.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_call_of_the_bus_before_hello_is_replied_to_with_an_error() {
    run(async {
        let daemon = DbusDaemon::start();
        let mut bus = Client::new().connect(daemon.address()).await.unwrap();
        let error = bus.call(bus_call("ListNames")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "org.freedesktop.DBus.Error.AccessDenied: Client tried to send a message other than \
             Hello without being registered"
        );
        // The connection goes on.
        bus.hello().await.unwrap();
        bus.call(bus_call("ListNames")).await.unwrap();
    });
}
