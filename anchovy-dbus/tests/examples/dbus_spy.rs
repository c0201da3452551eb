//! The spy, which shows everything and changes nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy_dbus::{
    ByteOrder, Client, Connection, Guid, Limits, Listener, Message, SendErrorKind, Server,
};
use bytes::Bytes;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::Signal;

use crate::harness::*;

/// Has a test be the server that the spy stands before. It gets a listener that has already told
/// the spy its identity, and the spy.
pub(crate) fn spying_on(server: Server, test: impl AsyncFnOnce(Listener, &mut Program)) {
    spying_with(&[], server, test);
}

/// As [`spying_on`], with these options of the spy.
pub(crate) fn spying_with(
    options: &[&str],
    server: Server,
    test: impl AsyncFnOnce(Listener, &mut Program),
) {
    let mut command = example("dbus_spy");
    command.args(options);
    guarded(|| {
        let directory = Directory::new();
        let runtime = runtime();
        let listener = runtime.block_on(async {
            server.bind(&address_in(&directory, "server").into()).expect("a directory of ours")
        });
        command.arg(listener.address().to_string());
        command.args(["--listen", &address_in(&directory, "spy").to_string()]);
        let starting = std::thread::spawn(move || Program::start(&mut command));
        // It reads the credentials of its peer.
        let listener = runtime.block_on(async {
            let mut probe = next(&listener).await;
            assert!(probe.receive().await.expect("nothing wrong").is_none());
            listener
        });
        let mut spy = starting.join().expect("it listens");
        runtime.block_on(test(listener, &mut spy));
        assert_eq!(spy.end_with(Signal::TERM), Some(0));
        assert!(!directory.join("spy").exists());
    });
}

async fn next(listener: &Listener) -> Connection {
    listener.accept().await.expect("a client").handshake().await.expect("a good one")
}

/// A client and a server with the spy in between.
pub(crate) async fn both(
    client: &Client,
    listener: &Listener,
    spy: &Program,
) -> (Connection, Connection) {
    let (client, server) = tokio::join!(client.connect(&spy.address), next(listener));
    (client.expect("the spy lets us in"), server)
}

/// A server that takes whatever a client sends.
pub(crate) fn server() -> Server {
    let most = anchovy::DBUS_FD_LIMIT;
    let limits = Limits { max_sent_fds: most, max_received_fds: most, ..Limits::client() };
    let guid = Guid::parse(b"0123456789abcdef0123456789abcdef").expect("32 digits");
    // As other servers: it does not have the kernel refuse anything.
    Server::new(guid).limits(limits).fds_before_agreement().fds_at_once()
}

/// Sends a message from one end to the other, and sees that nothing of it changes.
pub(crate) async fn cross(message: Message, from: &mut Connection, to: &mut Connection) {
    let (bytes, fds) = (message.to_bytes().unwrap(), identities(message.fds()));
    from.send(message).await.unwrap();
    let received = receive(to).await;
    assert_eq!(received.to_bytes().unwrap(), bytes);
    assert_eq!(identities(received.fds()), fds);
}

/// A call in this byte order, with a header field and a flag that nobody knows, and fields in an
/// order that nobody uses.
fn odd_call(order: ByteOrder, serial: u32) -> Message {
    let number = |number: u32| match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    };
    let text = |code, kind, text: &str| {
        let mut field = vec![code, 1, kind, 0];
        field.extend(number(text.len() as u32));
        field.extend(text.as_bytes());
        field.push(0);
        field
    };
    let mut fields = Vec::new();
    for field in [text(77, b's', "what?"), text(3, b's', "Odd"), text(1, b'o', "/odd")] {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend(field);
    }
    let first = if order == ByteOrder::Little { b'l' } else { b'B' };
    let mut bytes = vec![first, 1, 0x81, 1];
    bytes.extend([number(0), number(serial), number(fields.len() as u32)].concat());
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Message::from_bytes(Bytes::from(bytes), Vec::new()).expect("a good message")
}

pub(crate) fn signal(serial: u32, fds: Vec<OwnedFd>) -> Message {
    let signal = Message::signal("/org/example", "org.example.Test", "Sent").fds(fds);
    signal.serial(NonZeroU32::new(serial).unwrap()).build().unwrap()
}

#[test]
fn messages_cross_in_both_directions_without_a_change() {
    spying_on(server(), async |listener, spy| {
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        for (serial, order) in [(7, ByteOrder::Little), (u32::MAX, ByteOrder::Big)] {
            cross(odd_call(order, serial), &mut client, &mut server).await;
            cross(odd_call(order, serial), &mut server, &mut client).await;
            for direction in [">", "<"] {
                let line = words_of(&spy.line_with("Odd"));
                let expected =
                    format!("1 {direction} call {serial} - - - /odd Odd() 0 bytes no-reply");
                assert_eq!(line, expected);
            }
        }
        for count in [1, 16, 253] {
            cross(signal(3, memfds(count)), &mut client, &mut server).await;
            cross(signal(3, memfds(count)), &mut server, &mut client).await;
        }
        let long = Message::method_call("/", "Long").body("ay", vec![7; 3 << 20]).fds(memfds(3));
        let long = long.serial(NonZeroU32::MIN).build().unwrap();
        // It does not fit into the buffers on the way.
        let (bytes, fds) = (long.to_bytes().unwrap(), identities(long.fds()));
        let (sent, received) = tokio::join!(client.send(long), receive(&mut server));
        sent.unwrap();
        assert_eq!(received.to_bytes().unwrap(), bytes);
        assert_eq!(identities(received.fds()), fds);
    });
}

#[test]
fn a_peer_answers_through_it_as_it_does_directly() {
    let (mut peer, mut spy) = (example("peer_server"), example("dbus_spy"));
    guarded(|| {
        let directory = Directory::new();
        let peer = Program::start(peer.arg(address_in(&directory, "peer").to_string()));
        spy.arg(peer.address.to_string());
        let spy =
            Program::start(spy.args(["--listen", &address_in(&directory, "spy").to_string()]));
        runtime().block_on(async {
            let mut direct = client().connect(&peer.address).await.unwrap();
            let mut spied = client().connect(&spy.address).await.unwrap();
            let fds = memfds(3);
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let mut answers = Vec::new();
                for connection in [&mut direct, &mut spied] {
                    let fds = fds.iter().map(|fd| fd.try_clone().unwrap());
                    let take = Message::method_call("/", "Take").byte_order(order).fds(fds);
                    let take = take.destination("org.example.Peer").body("ay", b"body".to_vec());
                    answers.push(call(connection, take.build().unwrap()).await);
                }
                assert_eq!(answers[0].to_bytes().unwrap(), answers[1].to_bytes().unwrap());
                for answer in &answers {
                    assert_eq!(identities(answer.fds()), identities(&fds));
                }
            }
        });
    });
}

#[test]
fn it_says_what_descriptors_are() {
    spying_on(server(), async |listener, spy| {
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        let directory = Directory::new();
        let path = directory.join("a\nfile");
        let file = File::create(&path).unwrap();
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let (socket, _other) = UnixStream::pair().unwrap();
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create("a \"name\"", flags).unwrap();
        rustix::fs::fcntl_add_seals(&memfd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        let [pipe, end] = [&reader, &writer].map(|fd| rustix::fs::fstat(fd).unwrap().st_ino);
        assert_eq!(pipe, end);
        let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
        let null = File::open("/dev/null").unwrap();
        let fds: Vec<OwnedFd> = vec![
            file.into(),
            reader,
            writer,
            socket.into(),
            memfd,
            null.into(),
            File::open(directory.path()).unwrap().into(),
        ];
        cross(signal(5, fds), &mut client, &mut server).await;

        let expected = [
            "1 > signal 5 - - - /org/example org.example.Test.Sent() 0 bytes".to_owned(),
            format!("fd 0: file {}/a\\nfile 0 bytes write", directory.path().display()),
            format!("fd 1: pipe:[{pipe}] read"),
            format!("fd 2: pipe:[{pipe}] write nonblock"),
            format!("fd 3: unix stream socket:[{inode}] connected read+write"),
            "fd 4: memfd \"a \\\"name\\\"\" 0 bytes read+write sealed(shrink,grow)".to_owned(),
            "fd 5: device /dev/null 1:3 read".to_owned(),
            format!("fd 6: directory {} read", directory.path().display()),
        ];
        let line = words_of(&spy.line_with("Sent"));
        assert_eq!(line.split("; ").collect::<Vec<_>>(), expected);
    });
}

#[test]
fn the_outcome_of_the_handshake_is_that_of_the_server() {
    spying_on(server(), async |listener, spy| {
        assert_eq!(
            spy.address.iter().next().unwrap().guid(),
            Some(listener.address().guid().unwrap())
        );
        for plain in [Client::new(), Client::new().stepwise()] {
            let (client, server) = both(&plain, &listener, spy).await;
            assert_eq!(client.guid(), server.guid());
            assert!(client.unix_fds() && server.unix_fds());
            // Who does not ask for descriptors must not be sent any.
            let (client, server) = both(&plain.without_fds(), &listener, spy).await;
            assert!(!client.unix_fds() && !server.unix_fds());
        }
    });
    spying_on(server().without_fds(), async |listener, spy| {
        for client in [Client::new(), Client::new().stepwise()] {
            let (mut client, server) = both(&client, &listener, spy).await;
            assert!(!client.unix_fds() && !server.unix_fds());
            let refused = client.send(signal(1, memfds(1))).await.unwrap_err();
            assert!(matches!(refused.kind, SendErrorKind::FdsNotAgreed { count: 1 }), "{refused}");
        }
    });
}

#[test]
fn descriptors_may_be_as_early_as_without_it() {
    spying_on(server(), async |listener, spy| {
        let fd = memfd();
        // All at once, before a word of the server.
        let anchovy_dbus::Transport::Path(path) = spy.address.iter().next().unwrap().transport()
        else {
            panic!("{}", spy.address);
        };
        let hasty = UnixStream::connect(path).unwrap();
        let mut bytes = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".to_vec();
        bytes.extend(signal(1, memfds(1)).to_bytes().unwrap());
        foreign_send(&hasty, &bytes, &[&[fd.as_fd()]]).unwrap();
        let mut server = next(&listener).await;
        let received = receive(&mut server).await;
        assert_eq!(identities(received.fds()), [identity(&fd)]);

        // And a server that speaks first.
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        cross(signal(1, memfds(2)), &mut server, &mut client).await;
    });
}

#[test]
fn a_peer_that_does_not_read_is_not_written_to() {
    spying_on(server(), async |listener, spy| {
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        let mut sent = 0;
        loop {
            let call = Message::method_call("/", "Keep").body("ay", vec![0; 1 << 20]);
            let sending = client.send(call.build().unwrap());
            // As long as there is room, it is taken at once; the rest of the time is for a slow peer.
            match tokio::time::timeout(Duration::from_millis(500), sending).await {
                Ok(serial) => drop(serial.unwrap()),
                Err(_) => break,
            }
            sent += 1;
            assert!(sent < 64, "the spy keeps a message, and no more");
        }
        // The other direction, and another client, are as well as before.
        cross(signal(9, memfds(1)), &mut server, &mut client).await;
        let (mut other, mut its) = both(&Client::new(), &listener, spy).await;
        cross(signal(9, memfds(1)), &mut other, &mut its).await;

        let (_client, mut write) = client.into_split();
        let flushed = tokio::spawn(async move { write.flush().await.map(|()| write) });
        for serial in 1..=sent + 1 {
            let received = receive(&mut server).await;
            assert_eq!(received.serial().unwrap().get(), serial);
            assert_eq!(received.body().len(), 1 << 20);
        }
        drop(flushed.await.unwrap().unwrap());
    });
}

#[test]
fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    spying_on(server(), async |listener, spy| {
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        client.send(signal(1, memfds(1))).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(receive(&mut server).await.fds().len(), 1);
        assert!(server.receive().await.unwrap().is_none());
        cross(signal(2, memfds(1)), &mut server, &mut client).await;
        server.shutdown().await.unwrap();
        assert!(client.receive().await.unwrap().is_none());
        spy.line_with("client 1 closed the connection");

        // What was said before the end arrives, though nobody listens any more.
        let (mut client, mut server) = both(&Client::new(), &listener, spy).await;
        for serial in 1..100 {
            client.send(signal(serial, memfds(1))).await.unwrap();
        }
        drop(client);
        let _ = server.send(signal(1, memfds(1))).await;
        for serial in 1..100 {
            assert_eq!(receive(&mut server).await.serial().unwrap().get(), serial);
        }
        assert!(server.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_client_that_closes_with_unread_messages_is_no_error() {
    spying_on(server(), async |listener, spy| {
        let anchovy_dbus::Transport::Path(path) = spy.address.iter().next().unwrap().transport()
        else {
            panic!("{}", spy.address);
        };
        let mut client = UnixStream::connect(path).unwrap();
        client.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n").unwrap();
        let mut server = next(&listener).await;
        let mut answers = [0; 6 + 37 + 15];
        client.read_exact(&mut answers).unwrap();
        server.send(signal(1, Vec::new())).await.unwrap();
        let peek = rustix::net::RecvFlags::PEEK;
        rustix::net::recv(&client, &mut [0; 1][..], peek).unwrap(); // It has arrived.
        drop(client); // Which resets the connection.
        assert!(server.receive().await.unwrap().is_none());
        drop(server);
        let end = words_of(&spy.line_with("client 1 closed"));
        assert_eq!(end, "client 1 closed the connection");
    });
}

#[test]
fn clients_that_are_no_clients_disturb_nobody() {
    spying_on(server(), async |listener, spy| {
        let (mut client, mut server) = both(&Client::new(), &listener, spy).await;
        let anchovy_dbus::Transport::Path(path) = spy.address.iter().next().unwrap().transport()
        else {
            panic!("{}", spy.address);
        };
        let path = path.clone();
        let mut garbage = UnixStream::connect(&path).unwrap();
        garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        spy.line_with("client 2 was disconnected: ");

        // A good start, a bad message: the server sees the end of its client.
        let mut bad = UnixStream::connect(&path).unwrap();
        bad.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n").unwrap();
        let mut its = next(&listener).await;
        bad.write_all(b"this is no message, but is long enough for one").unwrap();
        assert!(its.receive().await.unwrap().is_none());
        spy.line_with("client 3 was disconnected: the peer sent an invalid message");
        bad.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut rest = Vec::new();
        let end = bad.read_to_end(&mut rest);
        assert!(end.is_ok() && rest.ends_with(b"AGREE_UNIX_FD\r\n"), "{end:?}");

        cross(signal(1, memfds(1)), &mut client, &mut server).await;
    });
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: dbus_spy"),
        (&["--help"], 0, "Examples:"),
        (&[], 1, "find a session bus"),
        (&["--loud"], 2, "unexpected argument '--loud'"),
        (&["--listen"], 2, "a value is required for '--listen <ADDRESS>'"),
        (&["--listen", "here"], 2, "invalid value 'here' for '--listen <ADDRESS>'"),
        (&["unix:path=/a", "unix:path=/b"], 2, "unexpected argument 'unix:path=/b'"),
        (&["--system", "--session"], 2, "cannot be used with"),
        (&["--output", "/nonexistent/file", "unix:path=/nonexistent/bus"], 1, "/nonexistent/bus"),
        (&["unix:path=/nonexistent/bus", "--", "true"], 1, "/nonexistent/bus"),
    ] {
        let mut command = example("dbus_spy");
        guarded(|| {
            let ended = run_to_end(command.args(arguments));
            let said = ended.stdout + &ended.stderr;
            assert_eq!(ended.code, Some(code), "{arguments:?}: {said}");
            assert!(said.contains(part) && !said.contains("panicked"), "{arguments:?}: {said}");
        });
    }
}
