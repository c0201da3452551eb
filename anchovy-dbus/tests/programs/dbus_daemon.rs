//! The bus of the reference implementation at the other end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use anchovy_dbus::auth::{HandshakeError, Login};
use anchovy_dbus::client::Authentication;
use anchovy_dbus::{
    Addresses, Client, Connection, Limits, Message, MessageType, OpenError, SendErrorKind,
};

use crate::harness::*;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const PATH: &str = "/org/example/Test";
const INTERFACE: &str = "org.example.Test";

/// More than a socket takes before its peer reads (`net.core.wmem_default`, 208 KiB).
const LARGE: usize = 4 << 20;

fn addresses(daemon: &DbusDaemon) -> Addresses {
    daemon.address().parse().expect("an address")
}

/// The path alone: any server will do.
fn without_guid(daemon: &DbusDaemon) -> String {
    let (address, _) = daemon.address().split_once(",guid=").expect("it names its guid");
    address.to_owned()
}

/// A connection that has said hello, and its name.
async fn connected(client: &Client, daemon: &DbusDaemon) -> (Connection, String) {
    let mut connection = client.connect(&addresses(daemon)).await.expect("the bus takes us");
    let name = hello(&mut connection).await;
    (connection, name)
}

fn hello_call() -> Message {
    let hello = Message::method_call(BUS_PATH, "Hello").interface(BUS).destination(BUS);
    hello.build().expect("a good call")
}

async fn hello(connection: &mut Connection) -> String {
    let answer = ask(connection, "Hello", "", Vec::new()).await;
    let name = text_of(answer.body());
    assert_eq!(answer.header().destination(), Some(&*name));
    name
}

/// Calls a method of the bus.
async fn ask(connection: &mut Connection, member: &str, signature: &str, body: Vec<u8>) -> Message {
    let call = Message::method_call(BUS_PATH, member)
        .interface(BUS)
        .destination(BUS)
        .body(signature, body)
        .build()
        .expect("a good call");
    let answer = call_and_wait(connection, call).await;
    assert_eq!(answer.header().message_type(), MessageType::MethodReturn, "{member}: {answer:?}");
    answer
}

/// Calls, and passes over the signals of the bus until it is answered.
async fn call_and_wait(connection: &mut Connection, call: Message) -> Message {
    let serial = connection.send(call).await.expect("it is sent");
    loop {
        let message = connection.receive().await.expect("a good message").expect("an answer");
        if message.header().reply_serial() == Some(serial) {
            return message;
        }
    }
}

/// The next message that is not of the bus itself.
async fn from_others(connection: &mut Connection) -> Message {
    loop {
        let message = connection.receive().await.expect("a good message").expect("a message");
        if message.header().sender() != Some(BUS) {
            return message;
        }
    }
}

/// The body that is one text.
fn text(text: &str) -> Vec<u8> {
    let mut body = (text.len() as u32).to_ne_bytes().to_vec();
    body.extend_from_slice(text.as_bytes());
    body.push(0);
    body
}

fn text_of(body: &[u8]) -> String {
    let length = u32::from_ne_bytes(body[..4].try_into().unwrap()) as usize;
    String::from_utf8(body[4..4 + length].to_vec()).unwrap()
}

/// The texts of a body that is one array of them.
fn texts_of(body: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut at = 4;
    while at < body.len() {
        at = at.next_multiple_of(4);
        let text = text_of(&body[at..]);
        at += 4 + text.len() + 1;
        texts.push(text);
    }
    texts
}

/// A call with descriptors, which its body refers to.
fn call_with(destination: &str, fds: Vec<OwnedFd>) -> Message {
    Message::method_call(PATH, "Take")
        .interface(INTERFACE)
        .destination(destination)
        .body("ah", indices(fds.len()))
        .fds(fds)
        .build()
        .expect("a good call")
}

fn indices(count: usize) -> Vec<u8> {
    let count = count as u32;
    [4 * count].into_iter().chain(0..count).flat_map(u32::to_ne_bytes).collect()
}

#[test]
fn the_bus_takes_every_login_at_once_and_step_by_step() {
    run(async {
        let daemon = DbusDaemon::start();
        let uid = rustix::process::geteuid().as_raw();
        for login in [Login::External, Login::ExternalUid(uid)] {
            for client in [Client::new(), Client::new().stepwise()] {
                let (connection, name) = connected(&client.login(login), &daemon).await;
                assert!(name.starts_with(":1."), "{name}");
                assert!(connection.unix_fds());
                assert!(daemon.address().ends_with(&format!("guid={}", connection.guid())));
            }
        }
    });
}

#[test]
fn a_first_message_is_sent_with_the_handshake_and_uses_its_serial() {
    run(async {
        let daemon = DbusDaemon::start();
        for client in [Client::new(), Client::new().stepwise()] {
            let hello = hello_call();
            let opened = client.connect_and_send(&addresses(&daemon), hello).await;
            let (mut connection, serial) = opened.unwrap();
            assert_eq!(serial.get(), 1);
            let answer = connection.receive().await.unwrap().unwrap();
            assert_eq!(answer.header().reply_serial(), Some(serial));
            assert_eq!(connection.send(signal("Next", Vec::new())).await.unwrap().get(), 2);
        }
    });
}

#[test]
fn a_bus_that_rejects_says_what_it_takes() {
    run(async {
        let daemon = DbusDaemon::start();
        for client in [Client::new(), Client::new().stepwise()] {
            let client = client.login(Login::ExternalUid(12_345));
            let error = client.connect(&addresses(&daemon)).await.unwrap_err();
            let OpenError::Handshake { error: HandshakeError::Rejected { mechanisms }, .. } = error
            else {
                panic!("it was rejected, not: {error}");
            };
            assert_eq!(mechanisms, "EXTERNAL");
        }
    });
}

#[test]
fn a_rejected_client_may_try_another_login() {
    run(async {
        let daemon = DbusDaemon::start();
        let socket = UnixStream::connect(daemon.path()).unwrap();
        let client = Client::new().start(socket).unwrap();
        let Authentication::Rejected(client) = client.authenticate(Login::Anonymous).await.unwrap()
        else {
            panic!("nobody is anonymous there");
        };
        let Authentication::Accepted(client) = client.authenticate(Login::External).await.unwrap()
        else {
            panic!("it takes EXTERNAL");
        };
        let negotiated = client.negotiate_unix_fd().await.unwrap();
        assert!(negotiated.unix_fds());
        hello(&mut negotiated.begin().await.unwrap()).await;
    });
}

#[test]
fn the_guid_of_an_address_is_that_of_the_bus_or_the_bus_is_another() {
    run(async {
        let daemon = DbusDaemon::start();
        let any: Addresses = without_guid(&daemon).parse().unwrap();
        let connection = Client::new().connect(&any).await.unwrap();
        let actual = connection.guid();

        let address = format!("{},guid={}", without_guid(&daemon), guid());
        let other: Addresses = address.parse().unwrap();
        for client in [Client::new(), Client::new().stepwise()] {
            let error = client.connect(&other).await.unwrap_err();
            assert!(error.to_string().contains(&actual.to_string()), "{error}");
            let OpenError::Handshake { error, address } = error else {
                panic!("it is another server, not: {error}");
            };
            assert_eq!(address.guid(), Some(guid()));
            let HandshakeError::WrongServer { expected, found } = error else {
                panic!("it is another server, not: {error}");
            };
            assert_eq!((expected, found), (guid(), actual));
        }
    });
}

#[test]
fn names_are_owned_and_listed() {
    run(async {
        const NAME: &str = "org.example.Service";
        let daemon = DbusDaemon::start();
        let (mut one, first) = connected(&Client::new(), &daemon).await;
        let (_other, second) = connected(&Client::new(), &daemon).await;

        let mut body = text(NAME);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(&0_u32.to_ne_bytes());
        let answer = ask(&mut one, "RequestName", "su", body).await;
        assert_eq!(answer.body()[..], 1_u32.to_ne_bytes(), "it is the primary owner");

        let names = texts_of(ask(&mut one, "ListNames", "", Vec::new()).await.body());
        for name in [BUS, NAME, &first, &second] {
            assert!(names.iter().any(|listed| listed == name), "{name} is not among {names:?}");
        }
    });
}

#[test]
fn descriptors_cross_the_bus_with_a_call_and_with_its_answer() {
    run(async {
        let daemon = DbusDaemon::start();
        let (mut near, near_name) = connected(&Client::new(), &daemon).await;
        let (mut far, far_name) = connected(&Client::new().stepwise(), &daemon).await;
        let (there, back) = (memfds(3), memfds(2));
        let expected = (identities(&there), identities(&back));

        let serve = async {
            let mut call = from_others(&mut far).await;
            assert_eq!(call.header().sender(), Some(&*near_name));
            assert_eq!(identities(call.take_fds()), expected.0);
            let answer = Message::method_return(&call).body("ah", indices(2)).fds(back);
            far.send(answer.build().unwrap()).await.unwrap();
        };
        let call = call_and_wait(&mut near, call_with(&far_name, there));
        let (answer, ()) = tokio::join!(call, serve);
        assert_eq!(identities(answer.fds()), expected.1);
    });
}

#[test]
fn sixteen_descriptors_cross_the_bus_among_messages_that_leave_with_them() {
    run(async {
        let daemon = DbusDaemon::start();
        let (mut near, _) = connected(&Client::new(), &daemon).await;
        let (mut far, name) = connected(&Client::new(), &daemon).await;
        let sets: Vec<_> = [0, 16, 0, 0, 16, 1, 0].map(memfds).into();
        let expected: Vec<_> = sets.iter().map(identities).collect();
        for fds in sets {
            near.feed(call_with(&name, fds)).await.unwrap();
        }
        near.flush().await.unwrap();
        for expected in expected {
            assert_eq!(identities(from_others(&mut far).await.fds()), expected);
        }
    });
}

#[test]
fn seventeen_descriptors_are_returned_and_never_reach_the_bus() {
    run(async {
        let daemon = DbusDaemon::start();
        let (mut near, _) = connected(&Client::new(), &daemon).await;
        let (mut far, name) = connected(&Client::new(), &daemon).await;
        let fds = memfds(17);
        let expected = identities(&fds);
        let refused = near.send(call_with(&name, fds)).await.unwrap_err();
        assert!(matches!(refused.kind, SendErrorKind::TooManyFds { count: 17, limit: 16 }));
        let call = refused.unsent.expect("it comes back");
        assert_eq!(identities(call.fds()), expected);

        near.send(call_with(&name, Vec::new())).await.unwrap();
        assert!(from_others(&mut far).await.fds().is_empty());
    });
}

#[test]
fn a_client_that_sends_seventeen_descriptors_is_disconnected() {
    run(async {
        let daemon = DbusDaemon::start();
        let limits = Limits { max_sent_fds: 17, ..Limits::client() };
        let (mut near, _) = connected(&Client::new().limits(limits), &daemon).await;
        let (mut far, name) = connected(&Client::new(), &daemon).await;
        near.send(call_with(&name, memfds(17))).await.unwrap();
        // Messages that were under way come first.
        let end = loop {
            match near.receive().await {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Ok(None)), "{end:?}");
        let error = near.send(call_with(&name, Vec::new())).await.unwrap_err();
        let SendErrorKind::Io(error) = error.kind else {
            panic!("the socket failed, not: {error}")
        };
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);

        // Nobody else notices.
        let (mut another, _) = connected(&Client::new(), &daemon).await;
        another.send(call_with(&name, Vec::new())).await.unwrap();
        assert!(from_others(&mut far).await.fds().is_empty());
    });
}

#[test]
fn a_message_larger_than_the_socket_crosses_the_bus_with_its_descriptors() {
    run(async {
        let daemon = DbusDaemon::start();
        let (mut near, _) = connected(&Client::new(), &daemon).await;
        let (mut far, name) = connected(&Client::new(), &daemon).await;
        let fds = memfds(2);
        let expected = identities(&fds);
        let mut body = (LARGE as u32).to_ne_bytes().to_vec();
        body.extend((0..LARGE).map(|at| (at / 7) as u8));
        let call = Message::method_call(PATH, "Keep")
            .interface(INTERFACE)
            .destination(&name)
            .body("ay", body.clone())
            .fds(fds)
            .build()
            .unwrap();
        let (sent, arrived) = tokio::join!(near.send(call), from_others(&mut far));
        sent.unwrap();
        assert!(arrived.body()[..] == body, "the same bytes");
        assert_eq!(identities(arrived.fds()), expected);
    });
}

#[test]
fn a_signal_reaches_only_the_connections_that_match_it() {
    run(async {
        let daemon = DbusDaemon::start();
        let (mut near, near_name) = connected(&Client::new(), &daemon).await;
        let (mut far, far_name) = connected(&Client::new(), &daemon).await;
        let rule = text(&format!("type='signal',interface='{INTERFACE}',member='Wanted'"));
        ask(&mut far, "AddMatch", "s", rule).await;

        let fds = memfds(1);
        let expected = identities(&fds);
        for (member, fds) in [("Unwanted", Vec::new()), ("Wanted", fds)] {
            let signal = Message::signal(PATH, INTERFACE, member);
            let signal = if fds.is_empty() { signal } else { signal.body("ah", indices(1)) };
            near.send(signal.fds(fds).build().unwrap()).await.unwrap();
        }
        near.send(call_with(&far_name, Vec::new())).await.unwrap();

        let signal = from_others(&mut far).await;
        assert_eq!(signal.header().member(), Some("Wanted"));
        assert_eq!(signal.header().sender(), Some(&*near_name));
        assert_eq!(identities(signal.fds()), expected);
        assert_eq!(from_others(&mut far).await.header().member(), Some("Take"));
    });
}

/// In a user namespace without a mapping, this process does not know the number that the bus knows
/// it by (facts of containers), and can only leave it to the kernel to say it.
#[test]
fn only_external_without_a_uid_works_in_a_user_namespace() {
    const TEST: &str = "dbus_daemon::\
        only_external_without_a_uid_works_in_a_user_namespace";
    /// The address of the bus, in the process in the namespace.
    const SUBJECT: &str = "ANCHOVY_NAMESPACE_SUBJECT";

    if let Ok(address) = std::env::var(SUBJECT) {
        run(async {
            for client in [Client::new(), Client::new().stepwise()] {
                let client = client.login(Login::External);
                hello(&mut client.connect(&address).await.unwrap()).await;

                let uid = rustix::process::geteuid().as_raw();
                let client = client.login(Login::ExternalUid(uid));
                let OpenError::Handshake { error, .. } =
                    client.connect(&address).await.unwrap_err()
                else {
                    panic!("the bus is there");
                };
                assert!(matches!(error, HandshakeError::Rejected { .. }), "{error}");
            }
        });
        return;
    }
    guarded(|| {
        let daemon = DbusDaemon::start();
        let output = Command::new("unshare")
            .arg("--user")
            .arg(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", TEST, "--test-threads", "1"])
            .env(SUBJECT, daemon.address())
            .output()
            .expect("unshare is installed");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
    });
}
