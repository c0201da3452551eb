//! What the clients of a listener are charged for, who waits for room, and which clients are accepted.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anchovy::Charge;
use anchovy_dbus::{
    Addresses, Budget, CallError, Client, Connection, HandshakeError, Incoming, KeptLimit, Limits,
    Listener, Message, ReceiveError, Resource, SendErrorKind, Server,
};
use rustix::process::{Gid, Uid};

use crate::foreign::*;
use crate::harness::*;

/// A client's socket and pidfd.
const CLIENT: usize = 2;
/// What may wait on one connection.
const WAITING: usize = 8;
const SET: usize = 4;

fn small() -> Server {
    let limits = Limits { max_received_fds: SET, max_waiting_fds: WAITING, ..Limits::server() };
    server().limits(limits).authorize(|_, _| true)
}

/// A listener at a name that nobody else has, and the name.
fn listen(server: &Server, budget: Budget) -> (Listener, String) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("anchovy-budget-{}-{number}", std::process::id());
    let address: Addresses = format!("unix:abstract={name}").parse().unwrap();
    (server.bind(&address).unwrap().with_budget(budget), name)
}

fn connect(name: &str) -> Foreign {
    let address = SocketAddr::from_abstract_name(name).unwrap();
    Foreign::new(StdUnixStream::connect_addr(&address).unwrap())
}

/// As another user, which only root can be.
fn connect_as_another(name: &str) -> Foreign {
    std::thread::scope(|scope| {
        let connect = || {
            let (uid, gid) = (Uid::from_raw(65534), Gid::from_raw(65534));
            rustix::thread::set_thread_res_gid(gid, gid, gid).expect("root may");
            rustix::thread::set_thread_res_uid(uid, uid, uid).expect("root may");
            connect(name)
        };
        scope.spawn(connect).join().expect("a connection")
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const HANDSHAKE: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

fn say_all(foreign: &Foreign) {
    (&foreign.socket).write_all(HANDSHAKE).unwrap();
}

/// A client that is through its handshake.
async fn let_in(listener: &Listener, foreign: &Foreign) -> Connection {
    say_all(foreign);
    let connection = listener.accept().await.unwrap().handshake().await.unwrap();
    let mut answers = [0; 256];
    let length = (&foreign.socket).read(&mut answers).unwrap();
    assert!(answers[..length].ends_with(b"AGREE_UNIX_FD\r\n"));
    connection
}

/// Closes all clients, none of which is accepted.
async fn lets_nobody_in(listener: &Listener) {
    // A listener pauses once in a while, whether or not there is a client.
    for _ in 0..2 {
        assert!(at_once(listener.accept()).await.is_none(), "there is no client to accept");
    }
}

async fn client_of(listener: &Listener, name: &str) -> (Connection, Foreign) {
    let foreign = connect(name);
    (let_in(listener, &foreign).await, foreign)
}

#[test]
fn a_client_is_charged_for_socket_and_pidfd_until_both_halves_are_dropped() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small(), budget.clone());
        let uid = rustix::process::geteuid().as_raw();
        let foreign = connect(&name);
        let incoming = listener.accept().await.unwrap();
        assert_eq!(
            (
                budget.usage().held_fds,
                budget.usage_of(uid).held_fds,
                budget.usage_of(uid + 1).held_fds
            ),
            (2, 2, 0)
        );
        drop(incoming);
        assert_eq!(budget.usage().held_fds, 0);
        drop(foreign);

        let (connection, _foreign) = client_of(&listener, &name).await;
        assert_eq!(budget.usage().held_fds, CLIENT);
        let (read, write) = connection.into_split();
        drop(read);
        assert_eq!(budget.usage().held_fds, CLIENT);
        drop(write);
        assert_eq!((budget.usage().held_fds, budget.usage_of(uid).held_fds), (0, 0));
    });
}

#[test]
fn an_incomplete_message_is_charged_for_the_maximum_of_waiting_descriptors() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        for taken in [false, true] {
            let bytes = message("A", 3, 30);
            foreign.send(&bytes[..40], 3);
            assert!(at_once(connection.receive()).await.is_none());
            assert_eq!(budget.usage().held_fds, CLIENT + WAITING);
            foreign.send(&bytes[40..], 0);
            let mut message = connection.receive().await.unwrap().unwrap();
            assert_eq!(budget.usage().held_fds, CLIENT + 3);
            if taken {
                // They are the user's own now.
                let fds = message.take_fds();
                assert_eq!((budget.usage().held_fds, fds.len()), (CLIENT, 3));
            } else {
                drop(message);
                assert_eq!(budget.usage().held_fds, CLIENT);
            }
        }
        // Several that came together: each its own.
        foreign.send(&[message("A", 1, 0), message("B", 3, 0)].concat(), 4);
        let a = connection.receive().await.unwrap().unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT + WAITING, "what B has still waits");
        let b = connection.receive().await.unwrap().unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT + 4);
        drop(a);
        assert_eq!(budget.usage().held_fds, CLIENT + 3);
        drop(b);
        assert_eq!(budget.usage().held_fds, CLIENT);
    });
}

#[test]
fn an_error_gives_the_room_back_at_once() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small(), budget.clone());
        for bad in [message("A", 1, 30), message("A", SET as u32, 30)] {
            let (mut connection, foreign) = client_of(&listener, &name).await;
            foreign.send(&bad[..40], 2);
            assert!(at_once(connection.receive()).await.is_none());
            assert_eq!(budget.usage().held_fds, CLIENT + WAITING);
            foreign.send(&bad[40..], SET + 1);
            connection.receive().await.unwrap_err();
            assert_eq!(budget.usage().held_fds, CLIENT);
            assert_eq!(foreign.open(), 0);
        }
        // One that needs no further read.
        let (mut connection, foreign) = client_of(&listener, &name).await;
        foreign.send(&[message("A", 1, 0), b"no message".to_vec()].concat(), 2);
        drop(connection.receive().await.unwrap().unwrap());
        assert!(budget.usage().held_fds > CLIENT);
        connection.receive().await.unwrap_err();
        assert_eq!((budget.usage().held_fds, foreign.open()), (CLIENT, 0));
    });
}

#[test]
fn bytes_received_with_the_handshake_are_charged() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small().fds_before_agreement(), budget.clone());
        let foreign = connect(&name);
        let fds = foreign.send(&[HANDSHAKE, &message("A", 2, 0)].concat(), 2);
        let mut connection = listener.accept().await.unwrap().handshake().await.unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT + 2);
        let message = connection.receive().await.unwrap().unwrap();
        assert_eq!((identities(message.fds()), budget.usage().held_fds), (fds, CLIENT + 2));
        drop(message);
        assert_eq!(budget.usage().held_fds, CLIENT);
    });
}

#[test]
fn a_forwarded_message_is_charged_to_its_sender_until_it_is_sent() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small().fds_at_once(), budget.clone());
        let (mut from, foreign) = client_of(&listener, &name).await;
        let (mut to, receiver) = client_of(&listener, &name).await;
        let both = 2 * CLIENT;
        foreign.send(&message("A", 3, 0), 3);
        foreign.send(&message("B", 2, 0), 2);
        for _ in 0..2 {
            let message = from.receive().await.unwrap().unwrap();
            to.feed(message).await.unwrap();
        }
        assert_eq!(budget.usage().held_fds, both + 5, "they wait to be sent");
        drop(from);
        assert_eq!(budget.usage().held_fds, CLIENT + 5, "the peer may have gone");
        to.flush().await.unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT);
        assert_eq!(foreign_receive(&receiver.socket, 2048).1.len(), 3);
        assert_eq!(foreign_receive(&receiver.socket, 2048).1.len(), 2);

        // What never leaves is closed with its connection.
        let (mut from, foreign) = client_of(&listener, &name).await;
        foreign.send(&message("A", 3, 0), 3);
        let message = from.receive().await.unwrap().unwrap();
        to.feed(message).await.unwrap();
        assert_eq!(budget.usage().held_fds, both + 3);
        drop(to);
        assert_eq!((budget.usage().held_fds, foreign.open()), (CLIENT, 0));
    });
}

#[test]
fn a_refused_message_is_returned_with_its_charge() {
    run(async {
        let budget = budget_for_one(100);
        let limits = Limits {
            max_received_fds: SET,
            max_waiting_fds: WAITING,
            max_sent_fds: 3,
            ..Limits::server()
        };
        let (listener, name) = listen(&server().limits(limits), budget.clone());
        let (mut from, foreign) = client_of(&listener, &name).await;
        let (mut to, receiver) = client_of(&listener, &name).await;
        let both = 2 * CLIENT;
        foreign.send(&message("A", 3, 0), 3);
        let message = from.receive().await.unwrap().unwrap();
        let error = to.send(message).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::FdsTooEarly { count: 3 }));
        let mut message = *error.unsent.unwrap();
        assert_eq!(budget.usage().held_fds, both + 3);

        receiver.send(&crate::foreign::message("P", 0, 0), 0);
        take(&mut to).await;
        foreign.send(&crate::foreign::message("C", 4, 0), 4);
        let many = from.receive().await.unwrap().unwrap();
        let error = to.send(many).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyFds { count: 4, limit: 3 }));
        assert_eq!(budget.usage().held_fds, both + 3 + 4);
        drop(error);
        assert_eq!(budget.usage().held_fds, both + 3);
        if anchovy::set_fd_passing(&receiver.socket, false).is_ok() {
            // The kernel refuses it: what it was after, it leaves to be sent again.
            foreign.send(&crate::foreign::message("B", 2, 0), 2);
            let other = from.receive().await.unwrap().unwrap();
            to.feed(message).await.unwrap();
            to.feed(other).await.unwrap();
            let error = to.flush().await.unwrap_err();
            assert!(matches!(error.kind, SendErrorKind::FdsRefusedByPeer { count: 3 }));
            message = *error.unsent.unwrap();
            assert_eq!((message.fds().len(), budget.usage().held_fds), (3, both + 5));
            anchovy::set_fd_passing(&receiver.socket, true).unwrap();
            to.flush().await.unwrap();
            assert_eq!(budget.usage().held_fds, both + 3);
        }
        to.send(message).await.unwrap();
        assert_eq!(budget.usage().held_fds, both);
    });
}

#[test]
fn a_uid_without_room_is_not_read_from_until_it_has_by_its_own_doing() {
    run(async {
        // A read needs room for a half of this, and 4 are left.
        let budget = budget_for_one(CLIENT + 8);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        foreign.send(&message("A", 4, 0), 4);
        let held = connection.receive().await.unwrap().unwrap();
        let fds = foreign.send(&message("B", 1, 0), 1);
        let reader = tokio::spawn(async move { take(&mut connection).await });
        for _ in 0..5 {
            drive_io().await;
        }
        assert!(!reader.is_finished(), "it is not read from");
        assert_eq!(budget.usage().held_fds, CLIENT + 4);
        drop(held);
        assert_eq!(reader.await.unwrap(), ("B".to_owned(), fds));
    });
}

#[test]
fn a_uid_without_room_is_not_read_until_another_connection_frees_room() {
    run(async {
        // One of them may have a message that has begun.
        let budget = budget_for_one(2 * CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut one, foreign) = client_of(&listener, &name).await;
        let (mut other, waiting) = client_of(&listener, &name).await;
        let bytes = message("A", 4, 30);
        foreign.send(&bytes[..40], 4);
        assert!(at_once(one.receive()).await.is_none());
        waiting.send(&message("P", 0, 0), 0);
        let reader = tokio::spawn(async move { (take(&mut other).await, other) });
        drive_io().await;
        assert!(!reader.is_finished(), "it is not read from");
        // The first has kept its room, and is read to its end.
        foreign.send(&bytes[40..], 0);
        let message = one.receive().await.unwrap().unwrap();
        drive_io().await;
        assert!(!reader.is_finished(), "the message is still there");
        drop(message);
        assert_eq!(reader.await.unwrap().0, ("P".to_owned(), Vec::new()));
    });
}

#[test]
fn incomplete_messages_time_out_even_with_little_room() {
    run(async {
        let budget = budget_for_one(3 * CLIENT + 2 * WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(client_of(&listener, &name).await);
        }
        tokio::time::pause();
        let before = tokio::time::Instant::now();
        let mut readers = Vec::new();
        for (mut connection, foreign) in clients {
            foreign.send(&message("A", 4, 30)[..40], 4);
            readers.push(tokio::spawn(async move {
                let error = connection.receive().await.unwrap_err();
                (format!("{error:?}"), before.elapsed().as_secs(), foreign.open())
            }));
        }
        let mut ends = Vec::new();
        for reader in readers {
            let (error, seconds, open) = reader.await.unwrap();
            assert_eq!((&*error, open), ("FdsOverdue { waiting: 4 }", 0));
            ends.push(seconds);
        }
        ends.sort_unstable();
        // The third is read from when there is room, and has its time from there.
        assert_eq!(ends, [30, 30, 60]);
    });
}

#[test]
fn an_incomplete_message_times_out_while_the_previous_one_is_kept() {
    run(async {
        let budget = budget_for_one(CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        // The second set comes before the first message is whole, so both wait at once.
        let (a, b) = (message("A", 4, 30), message("B", 4, 30));
        foreign.send(&a[..40], 4);
        foreign.send(&[&a[40..], &b[..40]].concat(), 4);
        let kept = connection.receive().await.unwrap().unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT + WAITING);
        tokio::time::pause();
        let error = connection.receive().await.unwrap_err();
        assert_eq!(format!("{error:?}"), "FdsOverdue { waiting: 4 }");
        assert_eq!(
            (foreign.open(), budget.usage().held_fds),
            (4, CLIENT + 4),
            "those that are kept"
        );
        drop(kept);
        assert_eq!(budget.usage().held_fds, CLIENT);
    });
}

/// Charges all that an account has room for, but so many, as a connection would.
fn fill(budget: &Budget, but: usize) -> Charge {
    let account = budget.account(rustix::process::geteuid().as_raw());
    let mut charge = account.empty_charge(Resource::HeldFds);
    while charge.try_grow(1) {}
    charge.shrink_to(charge.amount() - but);
    charge.pin()
}

#[test]
fn descriptors_that_exceed_the_account_of_a_uid_end_their_connection_only() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut one, foreign) = client_of(&listener, &name).await;
        let (mut other, witness) = client_of(&listener, &name).await;
        let filled = fill(&budget, 2);
        // Waiting would be without effect, and others of the uid go on.
        foreign.send(&message("A", 2, 0), 2);
        let (_, fds) = take(&mut one).await;
        assert_eq!(fds.len(), 2);
        foreign.send(&message("B", 3, 0), 3);
        let error = one.receive().await.unwrap_err();
        assert_eq!(format!("{error:?}"), "FdsOverBudget { count: 3, available: 2 }");
        assert!(error.to_string().contains("room for 2"), "{error}");
        assert_eq!(foreign.open(), 0);
        witness.send(&message("C", 1, 0), 1);
        assert_eq!(take(&mut other).await.1.len(), 1);
        drop(filled);
        assert_eq!(budget.usage().held_fds, 2 * CLIENT);
    });
}

#[test]
fn descriptors_after_a_handshake_without_room_in_the_account_end_it() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, name) = listen(&small().fds_before_agreement(), budget.clone());
        let foreign = connect(&name);
        foreign.send(&[HANDSHAKE, &message("A", 3, 0)].concat(), 3);
        let incoming = listener.accept().await.unwrap();
        let _filled = fill(&budget, 2);
        let error = incoming.handshake().await.unwrap_err();
        assert_eq!(format!("{error:?}"), "FdsOverBudget { count: 3, available: 2 }");
        assert!(error.to_string().contains("room for 2"), "{error}");
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_message_for_which_there_is_no_memory_is_read_on_once_there_is() {
    run(async {
        // Half a megabyte for one uid.
        let budget = Budget::builder().bytes(1 << 20).build();
        let (listener, name) = listen(&small(), budget.clone());
        let (mut one, foreign) = client_of(&listener, &name).await;
        let (mut other, waiting) = client_of(&listener, &name).await;
        let bytes = message("A", 0, 300 << 10);
        let half = bytes.len() - 10;
        let begin = async |connection: &mut Connection, foreign: &Foreign| {
            let mut sent = 0;
            foreign.socket.set_nonblocking(true).unwrap();
            while sent < half {
                match (&foreign.socket).write(&bytes[sent..half]) {
                    Ok(count) => sent += count,
                    Err(_) if at_once(connection.receive()).await.is_some() => panic!("a message"),
                    Err(_) if budget.usage().bytes > 400 << 10 => break,
                    Err(_) => {}
                }
            }
            foreign.socket.set_nonblocking(false).unwrap();
            sent
        };
        assert_eq!(begin(&mut one, &foreign).await, half);
        assert!(at_once(one.receive()).await.is_none());
        assert!(budget.usage().bytes >= 300 << 10);
        let sent = begin(&mut other, &waiting).await;
        assert!(sent < half && budget.usage().bytes <= 512 << 10);
        let rest = bytes[sent..].to_vec();
        let writer = tokio::task::spawn_blocking(move || {
            (&waiting.socket).write_all(&rest).unwrap();
            waiting
        });
        assert!(at_once(other.receive()).await.is_none(), "there is no memory for it");
        foreign.send(&bytes[half..], 0);
        assert_eq!(take(&mut one).await.0, "A");
        // While it waits for the next message, it keeps no memory of the last one.
        assert!(at_once(one.receive()).await.is_none());
        assert_eq!(take(&mut other).await.0, "A");
        drop((one, other, writer.await.unwrap()));
        assert_eq!(budget.usage().bytes, 0);
    });
}

#[test]
fn a_message_that_exceeds_the_memory_of_its_uid_ends_the_connection() {
    run(async {
        let budget = Budget::builder().bytes(1 << 20).build();
        let (listener, name) = listen(&small(), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        let bytes = message("A", 0, 600 << 10);
        let writer = tokio::task::spawn_blocking(move || {
            let _ = (&foreign.socket).write_all(&bytes);
        });
        let error = connection.receive().await.unwrap_err();
        let ReceiveError::BytesOverBudget { bytes } = error else { panic!("{error:?}") };
        assert!((512 << 10..=1 << 20).contains(&bytes), "{bytes}");
        assert_eq!(budget.usage().bytes, 0);
        drop(connection);
        writer.await.unwrap();
    });
}

#[test]
fn answers_that_a_client_does_not_read_hold_up_that_client_only() {
    run(async {
        // Eight descriptors in flight for one uid.
        let budget = Budget::builder().held_fds(400).fds_in_flight(16).build();
        let (listener, name) = listen(&small().fds_at_once(), budget.clone());
        let (mut stuck, reader) = client_of(&listener, &name).await;
        for _ in 0..2 {
            stuck.send(signal("A", memfds(4))).await.unwrap();
        }
        assert_eq!(budget.usage().fds_in_flight, 8);
        let sender = tokio::spawn(async move {
            stuck.send(signal("B", memfds(4))).await.unwrap();
            stuck
        });
        drive_io().await;
        assert!(!sender.is_finished(), "it waits");
        // Without descriptors, messages pass.
        let (mut other, witness) = client_of(&listener, &name).await;
        other.send(signal("C", Vec::new())).await.unwrap();
        assert_eq!(foreign_receive(&witness.socket, 2048).1.len(), 0);
        if is_root() {
            let another = connect_as_another(&name);
            let mut served = let_in(&listener, &another).await;
            served.send(signal("D", memfds(2))).await.unwrap();
            assert_eq!(foreign_receive(&another.socket, 2048).1.len(), 2);
        }
        for _ in 0..2 {
            assert_eq!(foreign_receive(&reader.socket, 2048).1.len(), 4);
        }
        drop(sender.await.unwrap());
        assert_eq!(foreign_receive(&reader.socket, 2048).1.len(), 4);
    });
}

/// Sends the start of a call to a client, and has it send these messages.
async fn call_and_flood(connection: &mut Connection, foreign: &Foreign, flood: &[u8]) -> CallError {
    let call = Message::method_call("/", "Ask").build().unwrap();
    let mut call = Box::pin(connection.call(call));
    assert!(at_once(&mut call).await.is_none());
    foreign.send(flood, 0);
    call.await.unwrap_err()
}

#[test]
fn kept_messages_are_charged_until_they_are_received() {
    run(async {
        let budget = Budget::builder().bytes(1 << 20).build();
        let limits = Limits { max_kept_messages: 3, ..Limits::server() };
        let (listener, name) = listen(&small().limits(limits), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        let flood = message("A", 0, 1000).repeat(3);
        let error = call_and_flood(&mut connection, &foreign, &flood).await;
        assert!(matches!(error, CallError::TooMuchKept { .. }), "{error:?}");
        let charged = budget.usage().bytes;
        assert!(charged >= flood.len() && charged < flood.len() + 3000, "{charged}");
        for left in (0..3).rev() {
            take(&mut connection).await;
            assert_eq!(budget.usage().bytes, charged / 3 * left);
        }
    });
}

#[test]
fn a_call_fails_when_the_account_has_no_room_for_kept_messages() {
    run(async {
        let budget = Budget::builder().bytes(20_000).build();
        let limits = Limits { max_kept_bytes: 1 << 20, ..Limits::server() };
        let (listener, name) = listen(&small().limits(limits), budget.clone());
        let (mut connection, foreign) = client_of(&listener, &name).await;
        let flood = message("A", 0, 1000).repeat(30);
        let error = call_and_flood(&mut connection, &foreign, &flood).await;
        let CallError::TooMuchKept { kept: KeptLimit::Budget { bytes, .. }, .. } = error else {
            panic!("{error:?}")
        };
        // Of half of the budget, which is what one uid may have, and of one message more.
        assert!(bytes > 10_000 && bytes < 12_000, "{bytes}");
        let call = Message::method_call("/", "Ask").build().unwrap();
        let error = connection.call(call).await.unwrap_err();
        assert_eq!(error.into_unsent().unwrap().header().member(), Some("Ask"));
        for _ in 0..30 {
            assert_eq!(take(&mut connection).await.0, "A");
        }
        assert_eq!(budget.usage().bytes, 0);
    });
}

#[test]
fn after_an_error_there_is_an_end_whether_or_not_there_is_room() {
    run(async {
        let budget = budget_for_one(2 * CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut one, foreign) = client_of(&listener, &name).await;
        let (mut other, filling) = client_of(&listener, &name).await;
        foreign.send(b"no message", 0);
        one.receive().await.unwrap_err();
        filling.send(&message("A", 4, 30)[..40], 4);
        assert!(at_once(other.receive()).await.is_none());
        assert!(at_once(one.receive()).await.expect("at once").unwrap().is_none());
    });
}

#[test]
fn a_handshake_waits_for_room_too() {
    run(async {
        let budget = budget_for_one(2 * CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let (mut filling, foreign) = client_of(&listener, &name).await;
        let other = connect(&name);
        let incoming = listener.accept().await.unwrap();
        let bytes = message("A", 4, 30);
        foreign.send(&bytes[..40], 4);
        assert!(at_once(filling.receive()).await.is_none());
        say_all(&other);
        let handshake = tokio::spawn(incoming.handshake());
        drive_io().await;
        assert!(!handshake.is_finished());
        foreign.send(&bytes[40..], 0);
        drop(filling.receive().await.unwrap().unwrap());
        handshake.await.unwrap().unwrap();
    });
}

#[test]
fn all_clients_that_wait_for_room_for_one_are_served() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 100;
    run_on_threads(async {
        let budget = budget_for_one(CLIENTS * CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(client_of(&listener, &name).await);
        }
        let mut tasks = Vec::new();
        for (mut connection, foreign) in clients {
            tasks.push(tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let message = connection.receive().await.unwrap().unwrap();
                    assert_eq!(message.fds().len(), 2);
                    // Others want the room meanwhile.
                    tokio::task::yield_now().await;
                }
                assert!(connection.receive().await.unwrap().is_none());
            }));
            let bytes = message("A", 2, 0);
            tasks.push(tokio::task::spawn_blocking(move || {
                for _ in 0..ROUNDS {
                    foreign.send(&bytes[..20], 2);
                    foreign.send(&bytes[20..], 0);
                    foreign.forget();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(budget.usage().held_fds, 0);
    });
}

/// Returns whether the peer has closed this socket.
fn is_closed(foreign: &Foreign) -> bool {
    foreign.socket.set_nonblocking(true).unwrap();
    let read = (&foreign.socket).read(&mut [0; 256]).map_err(|error| error.kind());
    foreign.socket.set_nonblocking(false).unwrap();
    matches!(read, Ok(0) | Err(ErrorKind::ConnectionReset))
}

#[test]
fn a_uid_without_room_is_refused_and_counted_and_others_are_accepted() {
    run(async {
        // Of 44, one uid may have 22, and another a third of the 30 that are left.
        let budget = budget_for_one(7 * CLIENT + WAITING);
        let (listener, name) = listen(&small(), budget.clone());
        let (one, _one) = client_of(&listener, &name).await;
        let mut others = Vec::new();
        for _ in 0..6 {
            others.push(client_of(&listener, &name).await);
        }
        assert_eq!(listener.refused(), 0);
        let eighth = connect(&name);
        lets_nobody_in(&listener).await;
        assert_eq!((listener.refused(), is_closed(&eighth)), (1, true));
        if is_root() {
            let another = connect_as_another(&name);
            let incoming = listener.accept().await.unwrap();
            assert_eq!(incoming.peer_cred().uid(), 65534);
            assert_eq!((budget.usage_of(65534).held_fds, is_closed(&another)), (CLIENT, false));
            assert_eq!(listener.refused(), 1);
        }
        drop(one);
        client_of(&listener, &name).await;
        assert_eq!(listener.refused(), 1);
    });
}

#[test]
fn an_unaccepted_client_cannot_send_descriptors_if_the_kernel_refuses() {
    run(async {
        let whole = [HANDSHAKE, &message("A", 1, 0)].concat();
        let (_listener, name) = listen(&small(), budget_for_one(100));
        let foreign = connect(&name);
        let sent = foreign.send_these(&whole, &foreign.pipes(1));
        let refused = if kernel_is_at_least(6, 16) { Err(rustix::io::Errno::PERM) } else { Ok(()) };
        assert_eq!(sent, refused);

        let server = small().fds_before_agreement();
        let (_listener, name) = listen(&server, budget_for_one(100));
        let foreign = connect(&name);
        assert_eq!(foreign.send_these(&whole, &foreign.pipes(1)), Ok(()));
    });
}

#[test]
fn listeners_may_share_a_budget() {
    run(async {
        let budget = budget_for_one(CLIENT + WAITING + 1);
        let (one, name) = listen(&small(), budget.clone());
        let (other, other_name) = listen(&small(), budget.clone());
        let (_connection, _foreign) = client_of(&one, &name).await;
        let refused = connect(&other_name);
        lets_nobody_in(&other).await;
        assert_eq!((one.refused(), other.refused(), is_closed(&refused)), (0, 1, true));
        assert_eq!(other.budget().usage().held_fds, CLIENT);
    });
}

#[test]
fn a_socket_that_has_a_budget_keeps_it() {
    run(async {
        let budget = budget_for_one(100);
        let name = format!("anchovy-budget-given-{}", std::process::id());
        let address: Addresses = format!("unix:abstract={name}").parse().unwrap();
        let mut socket = address.bind().unwrap().listener;
        socket.set_budget(budget.clone());

        // Without a listener of this crate, the pidfd is charged all the same.
        let foreign = connect(&name);
        say_all(&foreign);
        let (stream, _) = socket.accept().await.unwrap();
        let connection = small().handshake(stream).await.unwrap();
        assert_eq!(budget.usage().held_fds, CLIENT);
        drop(connection);
        assert_eq!(budget.usage().held_fds, 0);

        let address = address.iter().next().unwrap().clone();
        let listener = small().with_listener(socket, address);
        let (_connection, _foreign) = client_of(&listener, &name).await;
        assert_eq!((budget.usage().held_fds, listener.budget().usage().held_fds), (CLIENT, CLIENT));
    });
}

#[test]
fn a_budget_without_room_for_any_client_is_an_error_at_once() {
    run(async {
        let least = CLIENT + WAITING;
        for total in [0, least, 2 * least - 1] {
            let budget = Budget::builder().held_fds(total).build();
            let (listener, _name) = listen(&small(), budget);
            let error = listener.accept().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("a client needs 10 descriptors"), "{error}");
        }
        let (listener, name) = listen(&small(), budget_for_one(least));
        client_of(&listener, &name).await;
    });
}

#[test]
fn the_default_budget_is_the_limit_less_a_reserve_and_half_for_one_uid() {
    run(async {
        let limit = Lowered::descriptors(256);
        let budget = Budget::default();
        drop(limit);
        // 192, and 96 of them for one uid.
        let (listener, name) = listen(&small(), budget.clone());
        let mut clients = Vec::new();
        while budget.usage().held_fds + CLIENT + WAITING <= 96 {
            clients.push(client_of(&listener, &name).await);
        }
        assert_eq!(listener.refused(), 0);
        let _refused = connect(&name);
        lets_nobody_in(&listener).await;
        assert_eq!(listener.refused(), 1);
    });
}

#[test]
fn one_uid_may_have_all_handshake_slots_and_more_clients_are_closed() {
    run(async {
        let (listener, name) = listen(&small(), budget_for_one(1000));
        let listener = listener.with_max_unauthenticated(2);
        let sockets: Vec<Foreign> = (0..3).map(|_| connect(&name)).collect();
        let _one = listener.accept().await.unwrap();
        let _two = listener.accept().await.unwrap();
        lets_nobody_in(&listener).await;
        assert_eq!(listener.refused(), 1);
        let closed: Vec<bool> = sockets.iter().map(is_closed).collect();
        assert_eq!(closed, [false, false, true]);
        assert_eq!(listener.budget().usage().held_fds, 2 * CLIENT);
    });
}

#[test]
fn a_client_displaces_the_oldest_handshake_of_the_uid_with_the_most() {
    if !is_root() {
        return;
    }
    run(async {
        let (listener, name) = listen(&small(), budget_for_one(1000));
        let listener = listener.with_max_unauthenticated(4);
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let foreign = connect(&name);
            let incoming = listener.accept().await.unwrap();
            waiting.push((foreign, tokio::spawn(incoming.handshake())));
        }
        drive_io().await;
        for oldest in 0..2 {
            let another = connect_as_another(&name);
            let incoming = listener.accept().await.unwrap();
            assert_eq!(incoming.peer_cred().uid(), 65534);
            drive_io().await;
            let (foreign, handshake) = &mut waiting[oldest];
            let error = handshake.await.unwrap().unwrap_err();
            assert!(matches!(error, HandshakeError::Displaced { limit: 4 }), "{error:?}");
            assert!(is_closed(foreign));
            waiting.push((another, tokio::spawn(incoming.handshake())));
        }
        // Both have two now, so neither takes a place of the other.
        for refused in [connect(&name), connect_as_another(&name)] {
            lets_nobody_in(&listener).await;
            assert!(is_closed(&refused));
        }
        assert_eq!((listener.refused(), listener.budget().usage().held_fds), (2, 4 * CLIENT));
        for (foreign, handshake) in waiting.into_iter().skip(2) {
            say_all(&foreign);
            handshake.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_client_displaced_before_its_handshake_is_closed_at_its_start() {
    if !is_root() {
        return;
    }
    run(async {
        let (listener, name) = listen(&small(), budget_for_one(1000));
        let listener = listener.with_max_unauthenticated(2);
        let (first, _second) = (connect(&name), connect(&name));
        let displaced = listener.accept().await.unwrap();
        let _second = listener.accept().await.unwrap();
        let _another = connect_as_another(&name);
        let _incoming = listener.accept().await.unwrap();
        let error = at_once(displaced.handshake()).await.expect("at once").unwrap_err();
        assert!(matches!(error, HandshakeError::Displaced { limit: 2 }), "{error:?}");
        assert!(is_closed(&first));
    });
}

#[test]
fn a_handshake_that_has_arrived_is_not_displaced() {
    if !is_root() {
        return;
    }
    run(async {
        let (listener, name) = listen(&small(), budget_for_one(1000));
        let listener = listener.with_max_unauthenticated(2);
        let (first, _second) = (connect(&name), connect(&name));
        say_all(&first);
        let displaced = listener.accept().await.unwrap();
        let _second = listener.accept().await.unwrap();
        let _another = connect_as_another(&name);
        let _incoming = listener.accept().await.unwrap();
        displaced.handshake().await.unwrap();
    });
}

/// One slot, and what becomes of its holder.
async fn gives_its_slot_back(end: impl AsyncFn(Incoming, &Foreign)) {
    let (listener, name) = listen(&small(), budget_for_one(1000));
    let listener = listener.with_max_unauthenticated(1);
    for round in 0..3 {
        let foreign = connect(&name);
        let incoming = listener.accept().await.unwrap();
        let refused = connect(&name);
        lets_nobody_in(&listener).await;
        assert!(is_closed(&refused));
        end(incoming, &foreign).await;
        let _next = connect(&name);
        drop(listener.accept().await.unwrap());
        assert_eq!(listener.refused(), round + 1);
    }
    assert_eq!(listener.budget().usage().held_fds, 0);
}

#[test]
fn a_handshake_slot_is_given_back_with_success() {
    run(gives_its_slot_back(async |incoming, foreign| {
        say_all(foreign);
        incoming.handshake().await.unwrap();
    }));
}

#[test]
fn a_handshake_slot_is_given_back_while_the_connection_lives() {
    run(async {
        let (listener, name) = listen(&small(), budget_for_one(1000));
        let listener = listener.with_max_unauthenticated(1);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(client_of(&listener, &name).await);
        }
        assert_eq!(listener.budget().usage().held_fds, 3 * CLIENT);
    });
}

#[test]
fn a_handshake_slot_is_given_back_with_failure() {
    run(gives_its_slot_back(async |incoming, foreign| {
        (&foreign.socket).write_all(b"GET / HTTP/1.1\r\n").unwrap();
        incoming.handshake().await.unwrap_err();
    }));
}

#[test]
fn a_handshake_slot_is_given_back_when_it_is_dropped() {
    run(gives_its_slot_back(async |incoming, _| {
        assert!(at_once(incoming.handshake()).await.is_none());
    }));
    run(gives_its_slot_back(async |incoming, _| drop(incoming)));
}

#[test]
fn a_handshake_slot_is_given_back_at_the_deadline() {
    run(gives_its_slot_back(async |incoming, foreign| {
        (&foreign.socket).write_all(b"\0AUTH EXTERNAL\r\n").unwrap();
        tokio::time::pause();
        let error = incoming.handshake().await.unwrap_err();
        tokio::time::resume();
        let after = Duration::from_secs(30);
        assert!(matches!(error, HandshakeError::TimedOut { after: a } if a == after), "{error:?}");
    }));
}

#[test]
fn a_client_of_this_crate_is_accepted() {
    run(async {
        let budget = budget_for_one(100);
        let (listener, _name) = listen(&small(), budget.clone());
        let addresses: Addresses = listener.address().clone().into();
        let client = Client::new();
        let (client, server) = tokio::join!(client.connect(&addresses), async {
            listener.accept().await.unwrap().handshake().await.unwrap()
        });
        let mut both = (client.unwrap(), server);
        goes_on(&mut both).await;
        assert_eq!(budget.usage().held_fds, CLIENT);
    });
}
