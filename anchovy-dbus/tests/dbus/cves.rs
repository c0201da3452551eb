//! What went wrong elsewhere, as far as messages, descriptors and connections go.
//!
//! | above the transport, or in another layer | whose it is |
//! |---|---|
//! | CVE-2023-34969, an answer that nobody asked for and a monitor | a bus: it routes answers |
//! | CVE-2015-0245, a forged answer to an activation | a bus: it knows who activates |
//! | CVE-2024-34397, spoofed signals | a client library: it knows which names it watches |
//! | CVE-2014-3638, many answers that are awaited | a bus: it counts them |
//! | CVE-2019-12749, GLib#3931, cookies | not applicable: `DBUS_COOKIE_SHA1` is not offered |
//! | CVE-2014-3639, CVE-2018-6560, CVE-2026-15588, dbus#421 | the handshake, and its tests |

use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy_dbus::{
    Addresses, Budget, ByteOrder, Client, Limits, Message, MessageError, SendErrorKind,
};

use crate::foreign::*;
use crate::harness::*;

fn long(member: &str, body: usize, fds: Vec<OwnedFd>) -> Message {
    let builder = Message::signal("/", "org.example.Test", member);
    builder.body("ay", vec![7; body]).fds(fds).build().expect("a good signal")
}

#[test]
fn cve_2014_3532_too_many_descriptors_in_flight_fail_one_message_only() {
    without_privileges(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        let mut witness = pair().await;
        let limit = Lowered::descriptors(64);
        let fds = memfds(8);
        let dups = || -> Vec<_> { fds.iter().map(|fd| fd.try_clone().unwrap()).collect() };
        let mut refusals = 0;
        for _ in 0..64 {
            if let Err(error) = connection.send(signal("A", dups())).await {
                assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }));
                assert_eq!(identities(error.unsent.unwrap().fds()), identities(&fds));
                refusals += 1;
            }
        }
        assert!(refusals > 0, "the kernel's limit was reached");
        // The kernel counts what other processes of this user have under way, too.
        drop(limit);
        // What was sent is whole; what was refused left no byte.
        let mut sets = 0;
        while sets < 64 - refusals {
            let (bytes, came, _) = foreign_receive(&foreign.socket, 2048);
            assert_eq!(
                (bytes.len(), identities(came)),
                (message("A", 8, 0).len(), identities(&fds))
            );
            sets += 1;
        }
        connection.send(signal("P", Vec::new())).await.unwrap();
        assert_eq!(foreign_receive(&foreign.socket, 2048).0.len(), message("P", 0, 0).len());
        goes_on(&mut witness).await;
    });
}

#[test]
fn cve_2014_3533_each_message_has_its_own_descriptors_in_every_split() {
    run(async {
        let parts = [(message("A", 3, 5), 3), (message("B", 2, 0), 2), (message("C", 1, 9), 1)];
        let length: usize = parts.iter().map(|(bytes, _)| bytes.len()).sum();
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            // Where a read ends, is where the peer's calls end: each is cut after each byte, and
            // the set goes with either part.
            for cut in 0..length {
                let mut expected = Vec::new();
                let mut before = 0;
                for (bytes, count) in &parts {
                    let at = cut.saturating_sub(before).min(bytes.len());
                    before += bytes.len();
                    let (start, rest) = bytes.split_at(at);
                    let fds = if start.is_empty() || (rest.len() > 1 && cut % 2 == 0) {
                        foreign.send(start, 0);
                        foreign.send(rest, *count)
                    } else {
                        let fds = foreign.send(start, *count);
                        foreign.send(rest, 0);
                        fds
                    };
                    expected.push(fds);
                }
                for fds in expected {
                    assert_eq!(take(&mut connection).await.1, fds, "cut at {cut}");
                }
                assert_eq!(foreign.open(), 0);
                foreign.forget();
            }
        }
    });
}

#[test]
fn cve_2014_3635_an_odd_limit_is_exact_whatever_padding_makes_room_for() {
    run(async {
        for limit in [1, 3, 15, 27] {
            let limits = Limits { max_received_fds: limit, ..Limits::server() };
            let server = server().limits(limits);
            let (connection, foreign) = Role::Server.meet_with(&Client::new(), &server).await;
            let expected = format!("TooManyFds {{ count: {}, limit: {limit} }}", limit + 1);
            ends_on(connection, foreign, &[], &expected, "limit is", |foreign| {
                foreign.send(&message("A", limit as u32, 0), limit + 1);
            })
            .await;
        }
    });
}

#[test]
fn cve_2014_3636_a_many_connections_hold_no_more_than_their_uid_may() {
    run(async {
        let budget = budget_for_one(64);
        let address: Addresses =
            format!("unix:abstract=anchovy-3636-{}", std::process::id()).parse().unwrap();
        let listener = server().bind(&address).unwrap().with_budget(budget.clone());
        let mut connections = Vec::new();
        let name = format!("anchovy-3636-{}", std::process::id());
        for _ in 0..64 {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let mut foreign = Foreign::new(StdUnixStream::connect_addr(&address).unwrap());
            let _ = foreign
                .socket
                .write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
            let Some(incoming) = at_once(listener.accept()).await else { continue };
            let handshake = at_once(incoming.unwrap().handshake()).await;
            let Some(Ok(mut connection)) = handshake else { continue };
            foreign.send(&message("A", 16, 30)[..40], 16);
            assert!(at_once(connection.receive()).await.is_none());
            assert!(budget.usage().held_fds <= 64, "{}", budget.usage().held_fds);
            connections.push((connection, foreign));
        }
        assert!(listener.refused() > 0);
        assert!(!connections.is_empty());
        drop(connections);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn cve_2014_3636_b_more_descriptors_than_one_call_carries_are_refused() {
    run(async {
        let limits = |limits| Limits { max_sent_fds: 1000, ..limits };
        let client = Client::new().limits(limits(Limits::client()));
        let server = server().limits(limits(Limits::server()));
        let (mut one, mut other) = pair_of(&client, &server).await;
        let error = one.send(signal("A", memfds(254))).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyFds { count: 254, limit: 253 }));
        assert_eq!(error.unsent.unwrap().fds().len(), 254);
        one.send(signal("B", memfds(1))).await.unwrap();
        assert_eq!(take(&mut other).await.0, "B");
    });
}

#[test]
fn cve_2014_7824_the_budget_follows_the_limit_of_the_process_however_low() {
    run(async {
        // With a table that leaves nothing after the reserve, nobody is accepted by mistake.
        let limit = Lowered::descriptors(64);
        let budget = Budget::default();
        drop(limit);
        let address: Addresses =
            format!("unix:abstract=anchovy-7824-{}", std::process::id()).parse().unwrap();
        let listener = server().bind(&address).unwrap().with_budget(budget);
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
fn cve_2014_3637_a_connection_is_not_kept_open_by_its_own_descriptor() {
    run(async {
        // The start of a message, with the sender's own end in it: when the sender closes, the
        // socket that holds the descriptor is the only one that has it.
        for by_time in [false, true] {
            let (mut connection, foreign) = Role::Server.connected().await;
            let own: OwnedFd = foreign.socket.try_clone().unwrap().into();
            foreign.send_these(&message("A", 1, 30)[..40], &[own]).unwrap();
            drop(foreign);
            assert!(at_once(connection.receive()).await.is_none());
            if by_time {
                tokio::time::pause();
                let error = connection.receive().await.unwrap_err();
                assert_eq!(format!("{error:?}"), "FdsOverdue { waiting: 1 }");
                tokio::time::resume();
                // With the descriptor closed, the other end is.
                let error = at_once(connection.send(signal("P", Vec::new()))).await;
                assert!(matches!(error, Some(Err(_))), "nobody is there");
            }
            // The guard of the test sees that dropping it closes the other end as well.
            drop(connection);
        }
    });
}

#[test]
fn cve_2020_12049_a_thousand_sets_that_are_too_large_leave_nothing_open() {
    run(async {
        let before = descriptors().len();
        let fds: Vec<OwnedFd> = {
            let one = memfd();
            (0..253).map(|_| one.try_clone().unwrap()).collect()
        };
        let bytes = message("A", 16, 0);
        for round in 0..1000 {
            let (mut connection, foreign) = Role::Server.connected().await;
            let open = descriptors().len();
            foreign.send_these(&bytes, &fds).unwrap();
            connection.receive().await.unwrap_err();
            assert_eq!(descriptors().len(), open, "round {round}");
        }
        drop(fds);
        assert_eq!(descriptors().len(), before);
    });
}

#[test]
fn cve_2020_12049_a_thousand_sets_that_find_no_room_leave_nothing_open() {
    run(async {
        let (mut connection, foreign) = Role::Server.connected().await;
        let bytes = message("A", 5, 0);
        let fds = foreign.pipes(5);
        let full = FullTable::with_room_for(2);
        for round in 0..1000 {
            foreign.send_these(&bytes, &fds).unwrap();
            let marked = connection.receive().await.unwrap().unwrap();
            assert!(marked.truncation().is_some(), "round {round}");
        }
        drop((full, fds));
        assert_eq!(foreign.open(), 0);
        let fds = foreign.send(&bytes, 5);
        assert_eq!(take(&mut connection).await.1, fds);
    });
}

/// The bytes of a signal with one header field more, which nobody knows: a code, its signature, and
/// its value.
fn with_field(code: u8, signature: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = message("A", 1, 0);
    bytes.extend_from_slice(&[code, signature.len() as u8]);
    bytes.extend_from_slice(signature);
    bytes.push(0);
    bytes.extend_from_slice(value);
    let fields = bytes.len() as u32 - 16;
    bytes[12..16].copy_from_slice(&fields.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[test]
fn cve_2022_42010_unmatched_brackets_of_a_signature_end_the_connection() {
    run(async {
        for signature in [&b"a{i)"[..], b"(i}", b"a(i}", b"(i", b"i)", b"a{ii", b"({ii)}", b"a"] {
            for role in ROLES {
                let (mut connection, foreign) = role.connected().await;
                foreign.send(&with_field(200, signature, &[0; 16]), 1);
                let error = connection.receive().await.unwrap_err();
                let text = String::from_utf8_lossy(signature);
                assert!(
                    matches!(
                        error,
                        anchovy_dbus::ReceiveError::Message(MessageError::Field { .. })
                    ),
                    "{text}: {error:?}"
                );
                assert_eq!(foreign.open(), 0);
            }
        }
    });
}

#[test]
fn cve_2022_42011_an_array_of_an_invalid_length_ends_the_connection() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            // An array of numbers of four bytes, in six bytes.
            let bytes = with_field(200, b"au", &[]);
            let unpadded = 16 + u32::from_ne_bytes(bytes[12..16].try_into().unwrap()) as usize;
            let padding = unpadded.next_multiple_of(4) - unpadded;
            let mut value = vec![0; padding];
            value.extend_from_slice(&6_u32.to_ne_bytes());
            value.extend_from_slice(&[1; 6]);
            foreign.send(&with_field(200, b"au", &value), 1);
            let error = connection.receive().await.unwrap_err();
            assert!(format!("{error:?}").contains("ArrayNotWhole"), "{error:?}");
            assert_eq!(foreign.open(), 0);
        }
    });
}

#[test]
fn cve_2022_42012_a_message_in_the_other_byte_order_keeps_its_descriptor() {
    run(async {
        let other = match ByteOrder::NATIVE {
            ByteOrder::Little => ByteOrder::Big,
            _ => ByteOrder::Little,
        };
        let (mut client, mut server) = pair().await;
        let index = [0, 0, 0, 0];
        for to_server in [true, false] {
            let fds = memfds(1);
            let expected = identities(&fds);
            let message = Message::signal("/", "org.example.Test", "A")
                .byte_order(other)
                .body("h", index.to_vec())
                .fds(fds)
                .build()
                .unwrap();
            let (from, to) =
                if to_server { (&mut client, &mut server) } else { (&mut server, &mut client) };
            from.send(message).await.unwrap();
            let came = to.receive().await.unwrap().unwrap();
            assert_eq!(told(&came), ("A".to_owned(), expected));
            assert_eq!(came.header().byte_order(), other);
            assert_eq!(&came.body()[..], index, "nobody has swapped anything");
        }
    });
}

/// A MiB with one descriptor through buffers of 4 KiB, from each end to the other.
async fn through_small_buffers(long_way: impl AsyncFn(StdUnixStream, StdUnixStream)) {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

    let (near, far) = StdUnixStream::pair().unwrap();
    for socket in [&near, &far] {
        set_socket_send_buffer_size(socket, 4096).unwrap();
        set_socket_recv_buffer_size(socket, 4096).unwrap();
    }
    long_way(near, far).await;
}

#[test]
fn systemd_6603_a_long_message_has_its_descriptor_once() {
    run(through_small_buffers(async |near, far| {
        let (client, server) = (Client::new(), server());
        let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        for to_server in [true, false] {
            let fds = memfds(1);
            let expected = identities(&fds);
            let (from, to) =
                if to_server { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let (sent, came) = tokio::join!(from.send(long("A", 1 << 20, fds)), to.receive());
            sent.unwrap();
            let came = came.unwrap().unwrap();
            assert_eq!(told(&came), ("A".to_owned(), expected));
            assert!(came.body().len() == 1 << 20 && came.body().iter().all(|byte| *byte == 7));
            // One set: the received data twice would be unclaimed by the next.
            let (sent, came) = tokio::join!(from.send(signal("P", Vec::new())), to.receive());
            sent.unwrap();
            assert_eq!(told(&came.unwrap().unwrap()), ("P".to_owned(), Vec::new()));
        }
    }));
}

#[test]
fn glib_2074_a_long_message_with_a_descriptor_goes_on_after_a_full_buffer() {
    run(through_small_buffers(async |near, mut far| {
        let answers = format!("DATA\r\nOK {}\r\nAGREE_UNIX_FD\r\n", guid());
        far.write_all(answers.as_bytes()).unwrap();
        let mut connection = Client::new().handshake(near).await.unwrap();
        far.read_exact(&mut [0; 48]).unwrap();
        let fds = memfds(1);
        let expected = identities(&fds);
        connection.feed(long("A", 1 << 20, fds)).await.unwrap();
        assert!(now(connection.flush()).await.is_none(), "the buffer is full");
        let reader = tokio::task::spawn_blocking(move || {
            let (mut length, mut sets) = (0, Vec::new());
            while length < 1 << 20 {
                let (bytes, fds, _) = foreign_receive(&far, 2048);
                length += bytes.len();
                sets.extend(identities(fds));
            }
            (far, sets)
        });
        connection.flush().await.unwrap();
        assert_eq!(reader.await.unwrap().1, expected);
    }));
}

#[test]
fn dbus_broker_v36_what_is_queued_owns_its_descriptors() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(2);
        let expected = identities(&fds);
        let numbers: Vec<_> = fds.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
        client.feed(signal("A", fds)).await.unwrap();
        // Their numbers are nobody else's while they wait.
        for fd in memfds(8) {
            assert!(!numbers.contains(&std::os::fd::AsRawFd::as_raw_fd(&fd)));
        }
        client.flush().await.unwrap();
        assert_eq!(take(&mut server).await.1, expected);
    });
}

#[test]
fn dbus_broker_435_a_full_table_does_not_end_accept_or_the_pidfd() {
    run(async {
        let name = format!("anchovy-435-{}", std::process::id());
        let address: Addresses = format!("unix:abstract={name}").parse().unwrap();
        let listener = server().bind(&address).unwrap().with_budget(budget_for_one(100));
        let connect = || {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            StdUnixStream::connect_addr(&address).unwrap()
        };
        let _client = connect();
        // One place: the socket, and no pidfd.
        let full = FullTable::with_room_for(1);
        let incoming = listener.accept().await.unwrap();
        assert!(incoming.peer_cred().pidfd().is_none());
        assert_eq!(incoming.peer_cred().uid(), rustix::process::geteuid().as_raw());
        drop((full, incoming));

        let _other = connect();
        tokio::time::pause();
        let mut full = Some(FullTable::with_room_for(0));
        // It waits for times, and not for the socket, which is ready all the while: of what the
        // paused clock skips, there are few waits in much time.
        let waited = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
        assert!(waited.is_err(), "it waits");
        full.take();
        tokio::time::resume();
        let incoming = listener.accept().await.unwrap();
        assert_eq!(incoming.peer_cred().pidfd().is_some(), kernel_is_at_least(6, 5));
        assert_eq!(listener.refused(), 0);
    });
}

#[test]
fn zbus_813_a_message_with_descriptors_after_the_handshake_is_kept() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let foreign = Foreign::new(far);
        let server = server().fds_before_agreement();
        let all = [
            &b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"[..],
            &message("A", 2, 3),
        ];
        let start = server.start(near).unwrap();
        let fds = foreign.send(&all.concat(), 2);
        let progress = start.request().await.unwrap().accept().begin().await.unwrap();
        let anchovy_dbus::server::Progress::Begun(mut connection) = progress else { panic!() };
        assert_eq!(take(&mut connection).await.1, fds);
    });
}

#[test]
fn rustbus_41_and_111_what_is_not_taken_or_only_half_there_is_closed() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            // Filtered.
            foreign.send(&message("A", 3, 0), 3);
            drop(connection.receive().await.unwrap().unwrap());
            assert_eq!(foreign.open(), 0);
            // Half received, and dropped.
            foreign.send(&message("B", 2, 30)[..40], 2);
            assert!(at_once(connection.receive()).await.is_none());
            assert_eq!(foreign.open(), 2);
            drop(connection);
            assert_eq!(foreign.open(), 0);
            // Received whole and not looked at, with another half after it.
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("A", 0, 0), 0);
            foreign.send(&[message("B", 2, 0), message("C", 0, 30)[..40].to_vec()].concat(), 2);
            assert_eq!(take(&mut connection).await.0, "A");
            drop(connection);
            assert_eq!(foreign.open(), 0);
        }
    });
}

#[test]
fn busd_0_6_0_more_than_one_call_carries_are_not_pooled_over_several() {
    run(async {
        // 300 declared, and sent in two sets: nobody could pass that on.
        let (connection, foreign) = Role::Client.connected().await;
        let expected = "TooManyFds { count: 300, limit: 253 }";
        ends_on(connection, foreign, &[], expected, "limit is 253", |foreign| {
            let bytes = message("A", 300, 0);
            foreign.send(&bytes[..20], 200);
            foreign.send(&bytes[20..], 100);
        })
        .await;
    });
}

#[test]
fn glib_3933_lengths_are_summed_in_more_than_32_bits() {
    let number = u32::to_ne_bytes;
    // With the header, both of these are small numbers in 32 bits.
    for (fields, body, error) in [
        (64_u32, u32::MAX - 70, "TooLong { length: 4294967305, limit: 134217728 }"),
        (u32::MAX - 7, 8, "FieldsTooLong { length: 4294967288, limit: 67108864 }"),
        (1 << 26, 1 << 26, "TooLong { length: 134217744, limit: 134217728 }"),
    ] {
        let mut bytes = message("A", 0, 0)[..16].to_vec();
        bytes[4..8].copy_from_slice(&number(body));
        bytes[8..12].copy_from_slice(&number(NonZeroU32::MIN.get()));
        bytes[12..16].copy_from_slice(&number(fields));
        run(ends(&format!("Message({error})"), "limit is", |foreign| {
            foreign.send(&bytes, 1);
        }));
    }
}
