//! The peer that answers everything, and its worst clients.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy_dbus::auth::Login;
use anchovy_dbus::{
    Addresses, ByteOrder, Client, Flags, HandshakeError, Limits, Message, MessageType, OpenError,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::harness::*;

const LINES: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/// Has a test talk to the example, started with these options.
fn with_server(options: &[&str], test: impl AsyncFnOnce(&mut Program)) {
    let mut command = example("peer_server");
    guarded(|| {
        let directory = Directory::new();
        command.arg(address_in(&directory, "peer").to_string()).args(options);
        let mut server = Program::start(&mut command);
        runtime().block_on(test(&mut server));
        assert_eq!(server.end_with(Signal::TERM), Some(0));
        assert_eq!(entries(directory.path()), Vec::<std::path::PathBuf>::new());
    });
}

async fn connect(address: &Addresses) -> anchovy_dbus::Connection {
    client().connect(address).await.expect("it lets us in")
}

/// A foreign end, connected and no more.
fn foreign(address: &Addresses) -> UnixStream {
    let address = address.iter().next().unwrap().transport().clone();
    let anchovy_dbus::Transport::Path(path) = address else { panic!("{address:?}") };
    UnixStream::connect(path).unwrap()
}

/// A foreign end that has read the answers to a whole handshake.
fn foreign_client(address: &Addresses) -> UnixStream {
    let mut socket = foreign(address);
    socket.write_all(LINES).unwrap();
    let mut answers = [0; 6 + 37 + 15];
    socket.read_exact(&mut answers).unwrap();
    assert!(answers.ends_with(b"\r\nAGREE_UNIX_FD\r\n"), "{}", answers.escape_ascii());
    socket
}

fn take(fds: Vec<std::os::fd::OwnedFd>, order: ByteOrder) -> Message {
    let call = Message::method_call("/org/example", "Take").interface("org.example.Files");
    let body = b"any bytes, for nobody reads them".to_vec();
    call.byte_order(order).body("ay", body).fds(fds).build().unwrap()
}

#[test]
fn it_answers_what_a_bus_answers() {
    with_server(&[], async |server| {
        let mut peer = connect(&server.address).await;
        ping(&mut peer).await;

        let id = call(&mut peer, plain_call("org.freedesktop.DBus", "GetId")).await;
        assert_eq!(string(&id), peer.guid().to_string());
        assert_eq!(server.address.iter().next().unwrap().guid(), Some(peer.guid()));

        let hello = call(&mut peer, plain_call("org.freedesktop.DBus", "Hello")).await;
        assert_eq!((&*string(&hello), hello.header().destination()), (":1.1", Some(":1.1")));

        let read = |path| std::fs::read_to_string(path).ok();
        let known = read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id"));
        let answer = call(&mut peer, plain_call("org.freedesktop.DBus.Peer", "GetMachineId")).await;
        match known {
            Some(known) => assert_eq!(string(&answer), known.trim_end()),
            None => assert_eq!(answer.header().message_type(), MessageType::Error),
        }

        let mut another = connect(&server.address).await;
        let hello = call(&mut another, plain_call("org.freedesktop.DBus", "Hello")).await;
        assert_eq!(string(&hello), ":1.2");
    });
}

#[test]
fn calls_come_back_with_their_bodies_and_descriptors_in_their_byte_order() {
    with_server(&[], async |server| {
        let mut peer = connect(&server.address).await;
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let fds = memfds(3);
            let expected = identities(&fds);
            let answer = call(&mut peer, take(fds, order)).await;
            let header = answer.header();
            assert_eq!((header.byte_order(), header.signature()), (order, "ay"));
            assert_eq!(header.message_type(), MessageType::MethodReturn);
            assert_eq!(&answer.body()[..], b"any bytes, for nobody reads them");
            assert_eq!(identities(answer.fds()), expected);

            let line = server.line_with("Take");
            assert!(line.contains(":1.1 call "), "{line}");
            assert!(line.ends_with("(ay), 32 bytes, 3 descriptors"), "{line}");

            let hello = Message::method_call("/", "Hello").interface("org.freedesktop.DBus");
            let answer = call(&mut peer, hello.byte_order(order).build().unwrap()).await;
            assert_eq!((answer.header().byte_order(), &*string(&answer)), (order, ":1.1"));
        }
    });
}

#[test]
fn what_wants_no_answer_gets_none() {
    with_server(&[], async |server| {
        let mut peer = connect(&server.address).await;
        let (reader, writer) = pipe();
        let quiet = Message::method_call("/", "Take").flags(Flags::NO_REPLY_EXPECTED);
        peer.send(quiet.fd(writer).build().unwrap()).await.unwrap();
        peer.send(Message::signal("/", "org.example.A", "B").build().unwrap()).await.unwrap();
        peer.send(Message::builder(MessageType::Unknown(9)).build().unwrap()).await.unwrap();
        ping(&mut peer).await; // The next message is the answer to this.
        assert!(is_abandoned(&reader), "what it did not send back, it has closed");
        server.line_with("call 1 / Take(), 0 bytes, 1 descriptors");
        server.line_with("signal 2 / org.example.A.B(), 0 bytes, 0 descriptors");
        server.line_with("type-9 3 - (), 0 bytes, 0 descriptors");
    });
}

#[test]
fn clients_that_are_no_clients_disturb_nobody() {
    with_server(&[], async |server| {
        let mut peer = connect(&server.address).await;
        ping(&mut peer).await;
        let fd = memfd();
        let fds = [fd.as_fd()];

        // A client that sends this is closed, at once.
        let garbage: [&[u8]; 4] =
            [b"GET / HTTP/1.1\r\n\r\n", b"\xff", b"\0BEGIN\r\n", b"\0\0\0\0\0\0"];
        for garbage in garbage {
            let mut socket = foreign(&server.address);
            socket.write_all(garbage).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
            server.line_with("is closed: ");
        }
        let mut socket = foreign_client(&server.address);
        socket.write_all(b"this is no message, but is long enough for one").unwrap();
        assert!(matches!(socket.read(&mut [0]), Ok(0) | Err(_)), "it is closed");
        server.line_with("is closed: the peer sent an invalid message");

        // Half a message with a descriptor, and no more; and half a message and the end.
        let mut whole = take(memfds(1), ByteOrder::Little);
        whole.set_serial(std::num::NonZeroU32::MIN);
        let bytes = whole.to_bytes().unwrap();
        let waiting = foreign_client(&server.address);
        foreign_send(&waiting, &bytes[..20], &[&fds]).unwrap();
        let ending = foreign_client(&server.address);
        foreign_send(&ending, &bytes[..20], &[&fds]).unwrap();
        drop(ending);
        server.line_with("is closed: the peer closed the connection 20 bytes into a message");

        // Descriptors that nothing declares, and declared ones that are not there.
        let undeclared = foreign_client(&server.address);
        let mut plain = plain_call("org.example.A", "B");
        plain.set_serial(std::num::NonZeroU32::MIN);
        foreign_send(&undeclared, &plain.to_bytes().unwrap(), &[&fds]).unwrap();
        server.line_with("is closed: the peer sent 1 descriptor that no message declares");
        let missing = foreign_client(&server.address);
        foreign_send(&missing, &bytes, &[]).unwrap();
        server.line_with("is closed: a message declares 1 descriptor, 0 arrived");

        let answer = call(&mut peer, take(memfds(2), ByteOrder::Big)).await;
        assert_eq!(answer.fds().len(), 2);
        // Who waited may go on.
        let mut waiting = waiting;
        waiting.write_all(&bytes[20..]).unwrap();
        let (answer, fds, _) = foreign_receive(&waiting, rustix::cmsg_space!(ScmRights(4)));
        assert_eq!((answer[1], fds.len()), (2, 1), "a method return");
        assert_eq!(identity(&fds[0]), identity(&fd));
    });
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    with_server(&[], async |server| {
        let mut deaf = connect(&server.address).await;
        let mut sent = 0;
        loop {
            let body = vec![0; 1 << 20];
            let call = Message::method_call("/", "Keep").body("ay", body).build().unwrap();
            // As long as there is room, it is taken at once; the rest of the time is for a slow peer.
            match tokio::time::timeout(Duration::from_millis(500), deaf.send(call)).await {
                Ok(serial) => drop(serial.unwrap()),
                Err(_) => break,
            }
            sent += 1;
            assert!(sent < 64, "a client that does not read its replies is not read from");
        }
        let mut other = connect(&server.address).await;
        ping(&mut other).await;

        // It reads, and everything is there.
        let (mut read, mut write) = deaf.into_split();
        let flushed = tokio::spawn(async move { write.flush().await.map(|()| write) });
        for expected in 1..=sent + 1 {
            let answer = read.receive().await.unwrap().unwrap();
            assert_eq!(answer.header().reply_serial().unwrap().get(), expected);
            assert_eq!(answer.body().len(), 1 << 20);
        }
        drop(flushed.await.unwrap().unwrap());
    });
}

#[test]
fn many_talk_at_once() {
    with_server(&[], async |server| {
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(connect(&server.address).await);
        }
        let calls = clients.into_iter().map(|mut peer| async move {
            for count in 0..5 {
                let fds = memfds(count);
                let expected = identities(&fds);
                let answer = call(&mut peer, take(fds, ByteOrder::Little)).await;
                assert_eq!(identities(answer.fds()), expected);
            }
        });
        futures_util::future::join_all(calls).await;
    });
}

#[test]
fn more_descriptors_than_the_option_allows_end_the_connection() {
    for (options, most) in [(&["--max-fds", "2"][..], 2), (&[], 16), (&["--max-fds", "253"], 253)] {
        with_server(options, async |server| {
            let mut peer = connect(&server.address).await;
            let fds = memfds(most);
            let expected = identities(&fds);
            let answer = call(&mut peer, take(fds, ByteOrder::Little)).await;
            assert_eq!(identities(answer.fds()), expected);
            drop(answer);

            if most < anchovy::DBUS_FD_LIMIT {
                peer.send(take(memfds(most + 1), ByteOrder::Little)).await.unwrap();
                let end = peer.receive().await;
                assert!(!matches!(end, Ok(Some(_))), "{end:?}");
                let line = server.line_with("is closed");
                let limit = format!("limit is {most}");
                assert!(line.contains(&limit), "{line}");
                ping(&mut connect(&server.address).await).await;
            }
        });
    }
}

#[test]
fn a_call_whose_descriptors_found_no_room_is_refused_and_the_next_is_not() {
    with_server(&[], async |server| {
        let mut peer = connect(&server.address).await;
        ping(&mut peer).await;
        let process = Pid::from_raw(server.peer.id() as i32);
        // It has inherited who knows what; new descriptors get the lowest numbers that are free.
        let is_open = |number: &u64| {
            std::fs::symlink_metadata(format!("/proc/{}/fd/{number}", server.peer.id())).is_ok()
        };
        let free = (0..).find(|number| !is_open(number)).unwrap();
        // Room for one more, and then for as many as before.
        let full = Rlimit { current: Some(free + 1), ..getrlimit(Resource::Nofile) };
        let before = prlimit(process, Resource::Nofile, full).unwrap();
        let refused = call(&mut peer, take(memfds(16), ByteOrder::Big)).await;
        assert_eq!(
            refused.header().error_name(),
            Some("org.freedesktop.DBus.Error.LimitsExceeded"),
            "{refused:?}"
        );
        server.line_with("16 descriptors, truncated: all were lost");
        prlimit(process, Resource::Nofile, before).unwrap();
        let answer = call(&mut peer, take(memfds(16), ByteOrder::Big)).await;
        assert_eq!(answer.fds().len(), 16);
    });
}

#[test]
fn without_descriptors_it_negotiates_none() {
    with_server(&["--max-fds", "0"], async |server| {
        let mut peer = connect(&server.address).await;
        ping(&mut peer).await;
        peer.send(take(memfds(1), ByteOrder::Little)).await.unwrap();
        assert!(!matches!(peer.receive().await, Ok(Some(_))));
    });
}

#[test]
fn an_anonymous_client_is_accepted_only_with_the_option() {
    let anonymous = || Client::new().login(Login::Anonymous).limits(Limits::client());
    with_server(&[], async |server| {
        for client in [anonymous(), anonymous().stepwise()] {
            let refused = client.connect(&server.address).await.unwrap_err();
            let OpenError::Handshake { error: HandshakeError::Rejected { mechanisms }, .. } =
                refused
            else {
                panic!("{refused:?}");
            };
            assert_eq!(mechanisms, "EXTERNAL");
        }
        ping(&mut connect(&server.address).await).await;
    });
    with_server(&["--anonymous"], async |server| {
        for client in [anonymous(), anonymous().stepwise(), client()] {
            ping(&mut client.connect(&server.address).await.unwrap()).await;
        }
    });
}

#[test]
fn both_signals_end_it_and_it_removes_its_socket() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = example("peer_server");
        run(async {
            let directory = Directory::new();
            let address = address_in(&directory, "peer");
            let mut server = Program::start(command.arg(address.to_string()));
            let mut peer = connect(&server.address).await;
            ping(&mut peer).await;
            assert_eq!(server.end_with(signal), Some(0));
            assert!(peer.receive().await.unwrap().is_none());
            assert!(entries(directory.path()).is_empty());
        });
    }
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: peer_server [OPTIONS] <ADDRESS>"),
        (&[], 2, "<ADDRESS>"),
        (&["--loud"], 2, "unexpected argument '--loud'"),
        (&["unix:tmpdir=/tmp", "unix:tmpdir=/tmp"], 2, "unexpected argument 'unix:tmpdir=/tmp'"),
        (&["unix:tmpdir=/tmp", "--max-fds"], 2, "a value is required for '--max-fds <N>'"),
        (&["unix:tmpdir=/tmp", "--max-fds", "254"], 2, "254 is not in 0..=253"),
        (&["unix:path"], 2, "invalid value 'unix:path' for '<ADDRESS>'"),
        (&["unix:path=/nonexistent/peer"], 1, "/nonexistent/peer"),
        (&["tcp:host=localhost"], 1, "tcp:host=localhost"),
    ] {
        let mut command = example("peer_server");
        guarded(|| {
            let ended = run_to_end(command.args(arguments));
            let said = ended.stdout + &ended.stderr;
            assert_eq!(ended.code, Some(code), "{arguments:?}: {said}");
            assert!(said.contains(part) && !said.contains("panicked"), "{arguments:?}: {said}");
        });
    }
}
