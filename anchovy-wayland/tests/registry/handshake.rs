//! A client's handshake with a compositor that says what it is told to.

use std::pin::pin;
use std::time::Duration;

use anchovy_wayland::{
    ClientIds, Connection, DisplayError, Limits, MAX_GLOBALS, Message, ReceiveError, Registry,
    RegistryError, RegistryUpdate, SendErrorKind, WireErrorKind,
};
use tokio::time::{Instant, advance, pause};

use crate::harness::*;

/// Runs the handshake against what the compositor has sent already.
async fn against(messages: &[Message]) -> (Result<Registry, RegistryError>, Connection<Counts>) {
    let (mut near, mut far) = client().await;
    far.send_all(messages);
    let outcome = near.registry(&mut ClientIds::new(), TIMEOUT).await;
    (outcome, near)
}

fn interfaces(registry: &Registry) -> Vec<&str> {
    registry.globals().iter().map(|global| &global.interface[..]).collect()
}

/// What is received without waiting.
async fn received(connection: &mut Connection<Counts>) -> Vec<Message> {
    drive_io().await;
    let mut messages = Vec::new();
    while let Some(Ok(Some(message))) = now(connection.receive()).await {
        messages.push(message);
    }
    messages
}

#[test]
fn all_globals_before_the_end_of_the_answer_are_there_in_order() {
    run(async {
        let answer = [global(2, 1, "wl_compositor", 4), global(2, 2, "wl_shm", 1), done(3)];
        let (registry, _) = against(&answer).await;
        let registry = registry.unwrap();
        assert_eq!(registry.id(), id(2));
        assert_eq!(interfaces(&registry), ["wl_compositor", "wl_shm"]);
        let shm = registry.find("wl_shm").unwrap();
        assert_eq!((shm.name, shm.version), (2, 1));
        assert_eq!(registry.get(1).unwrap().interface, "wl_compositor");
        assert!(registry.find("wl_seat").is_none() && registry.get(3).is_none());
    });
}

#[test]
fn both_requests_leave_in_one_write() {
    run(async {
        let (mut near, far) = client().await;
        assert!(now(near.registry(&mut ClientIds::new(), TIMEOUT)).await.is_none());
        // One `sendmsg` without descriptors is one buffer of the socket, and no more.
        far.0.set_nonblocking(true).unwrap();
        let (bytes, ..) = foreign_receive(&far.0, 0);
        assert_eq!(bytes.len(), 24);
    });
}

#[test]
fn the_numbers_are_those_that_are_free() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        (0..3).for_each(|_| _ = ids.take());
        ids.free(id(3));
        far.send_all(&[global(3, 9, "wl_seat", 7), done(5)]);
        let registry = near.registry(&mut ids, TIMEOUT).await.unwrap();
        assert_eq!((registry.id(), interfaces(&registry)), (id(3), vec!["wl_seat"]));
        assert!(ids.is_taken(id(3)) && ids.is_taken(id(5)));
    });
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_the_same() {
    run(async {
        let (mut near, mut far) = client().await;
        let answer = [global(2, 1, "wl_compositor", 4), global(2, 2, "wl_shm", 1), done(3)];
        let bytes: Vec<u8> = answer.iter().flat_map(bytes_of::bytes_of).collect();
        let mut ids = ClientIds::new();
        let mut handshake = pin!(near.registry(&mut ids, TIMEOUT));
        let mut registry = None;
        for (at, byte) in bytes.iter().enumerate() {
            assert!(registry.is_none(), "byte {at}");
            far.write(&[*byte]);
            drive_io().await;
            registry = now(handshake.as_mut()).await;
        }
        assert_eq!(interfaces(&registry.unwrap().unwrap()), ["wl_compositor", "wl_shm"]);
    });
}

#[test]
fn a_global_that_is_removed_meanwhile_is_not_there() {
    run(async {
        let answer = [
            global(2, 1, "wl_output", 4),
            global(2, 2, "wl_shm", 1),
            global_remove(2, 1),
            global(2, 3, "wl_output", 3),
            done(3),
        ];
        let (registry, _) = against(&answer).await;
        let registry = registry.unwrap();
        assert_eq!(interfaces(&registry), ["wl_shm", "wl_output"]);
        assert_eq!(registry.find("wl_output").unwrap().name, 3);
    });
}

#[test]
fn what_is_not_of_the_answer_is_received_afterwards_in_order() {
    run(async {
        let other = |number| Message::builder(id(77), number).uint(5).build().unwrap();
        let answer = [
            other(1),
            global(2, 1, "wl_shm", 1),
            delete_id(9),
            other(2),
            done(3),
            delete_id(3),
            other(3),
        ];
        let (registry, mut near) = against(&answer).await;
        assert_eq!(interfaces(&registry.unwrap()), ["wl_shm"]);
        let left = [other(1), delete_id(9), other(2), delete_id(3), other(3)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
    });
}

#[test]
fn descriptors_that_come_meanwhile_stay_with_their_message() {
    run(async {
        use std::os::fd::AsFd;
        let (mut near, mut far) = client_with(|object, _| usize::from(object.get() == 77)).await;
        let file = memfd();
        let keymap = bytes_of::bytes_of(&Message::builder(id(77), 0).uint(5).build().unwrap());
        foreign_send(&far.0, &keymap, &[&[file.as_fd()]]).unwrap();
        far.send_all(&[global(2, 1, "wl_shm", 1), done(3)]);
        near.registry(&mut ClientIds::new(), TIMEOUT).await.unwrap();
        let message = near.receive().await.unwrap().unwrap();
        assert_eq!(identities(message.fds()), [identity(&file)]);
    });
}

#[test]
fn a_display_error_shows_its_object_code_and_text() {
    run(async {
        let error = DisplayError::new(id(2), 1, "invalid arguments");
        let (outcome, _) = against(&[global(2, 1, "wl_shm", 1), error.message()]).await;
        let RegistryError::Display(reported) = outcome.unwrap_err() else { panic!() };
        assert_eq!(reported, error);
        assert_eq!(
            (reported.object, reported.code, &reported.text[..]),
            (2, 1, "invalid arguments")
        );
    });
}

#[test]
fn a_display_error_is_reported_though_requests_cannot_be_sent() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&DisplayError::new(id(1), 2, "no room").message());
        drop(far);
        let outcome = near.registry(&mut ClientIds::new(), TIMEOUT).await;
        let RegistryError::Display(error) = outcome.unwrap_err() else { panic!() };
        assert_eq!(error.text, "no room");
    });
}

#[test]
fn a_compositor_that_closed_silently_is_a_failed_send() {
    run(async {
        let (mut near, far) = client().await;
        drop(far);
        let outcome = near.registry(&mut ClientIds::new(), TIMEOUT).await;
        let RegistryError::Send(error) = outcome.unwrap_err() else { panic!() };
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
    });
}

#[test]
fn a_compositor_that_closes_before_the_end_is_its_own_error() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        let mut handshake = pin!(near.registry(&mut ids, TIMEOUT));
        assert!(now(handshake.as_mut()).await.is_none());
        // What is read does not reset the connection.
        assert_eq!(far.read().len(), 24);
        far.send(&global(2, 1, "wl_shm", 1));
        drop(far);
        let error = handshake.await.unwrap_err();
        assert!(matches!(error, RegistryError::Closed), "{error:?}");
    });
}

#[test]
fn a_compositor_that_closes_inside_a_message_is_an_error_of_receiving() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        let mut handshake = pin!(near.registry(&mut ids, TIMEOUT));
        assert!(now(handshake.as_mut()).await.is_none());
        far.read();
        far.write(&bytes_of::bytes_of(&done(3))[..9]);
        drop(far);
        let RegistryError::Receive(error) = handshake.await.unwrap_err() else { panic!() };
        assert!(matches!(error, ReceiveError::ClosedInsideMessage { bytes: 9, .. }), "{error:?}");
    });
}

#[test]
fn bytes_that_are_no_message_are_an_error_of_receiving() {
    run(async {
        let (mut near, mut far) = client().await;
        far.write(&[0; 8]);
        let outcome = near.registry(&mut ClientIds::new(), TIMEOUT).await;
        let Err(RegistryError::Receive(ReceiveError::Wire(error))) = outcome else { panic!() };
        assert_eq!(error.kind, WireErrorKind::NullObject);
    });
}

#[test]
fn a_malformed_event_is_an_error_with_its_place() {
    let build = |object, opcode| Message::builder(id(object), opcode);
    let events = [
        (build(2, 0).uint(1).string("wl_shm"), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
        (build(2, 0).uint(1).null_string().uint(1), WireErrorKind::NullString),
        (
            build(2, 0).uint(1).string("a").uint(1).uint(9),
            WireErrorKind::TrailingBytes { bytes: 4 },
        ),
        (build(2, 1), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
        (build(2, 2).uint(1), WireErrorKind::UnknownOpcode),
        (build(3, 0), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
        (build(3, 0).uint(0).uint(0), WireErrorKind::TrailingBytes { bytes: 4 }),
        (build(3, 1).uint(0), WireErrorKind::UnknownOpcode),
        (build(1, 0).uint(1).uint(1), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
        (build(1, 2), WireErrorKind::UnknownOpcode),
    ];
    run(async {
        for (event, fault) in events {
            let event = event.build().unwrap();
            let (outcome, _) = against(std::slice::from_ref(&event)).await;
            let RegistryError::Wire(error) = outcome.unwrap_err() else { panic!("{event:?}") };
            assert_eq!(error.kind, fault, "{event:?}");
            assert_eq!((error.object, error.opcode), (event.object().get(), event.opcode()));
        }
    });
}

#[test]
fn a_compositor_that_is_silent_is_overdue_at_the_deadline_and_not_before() {
    run(async {
        pause();
        let (mut near, mut far) = client().await;
        far.send(&global(2, 1, "wl_shm", 1));
        let begin = Instant::now();
        let timeout = Duration::from_millis(1500);
        let error = near.registry(&mut ClientIds::new(), timeout).await.unwrap_err();
        assert!(matches!(error, RegistryError::Overdue { timeout: limit } if limit == timeout));
        // Tokio's timers have steps of a millisecond.
        assert!((timeout..=timeout + Duration::from_millis(1)).contains(&begin.elapsed()));
        // It was only late.
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[global(2, 1, "wl_shm", 1)]));
    });
}

#[test]
fn a_compositor_that_never_ends_is_overdue_too() {
    run(async {
        pause();
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        let mut handshake = pin!(near.registry(&mut ids, Duration::from_secs(5)));
        for name in 1..=5 {
            assert!(now(handshake.as_mut()).await.is_none());
            far.send(&global(2, name, "wl_output", 1));
            advance(Duration::from_secs(1)).await;
        }
        advance(Duration::from_millis(1)).await;
        let outcome = now(handshake.as_mut()).await.expect("it is over");
        assert!(matches!(outcome, Err(RegistryError::Overdue { .. })));
    });
}

#[test]
fn a_handshake_that_is_dropped_has_lost_nothing() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        let events = [global(2, 1, "wl_shm", 1), delete_id(9), global(2, 2, "wl_seat", 1)];
        far.send_all(&events);
        drive_io().await;
        assert!(now(near.registry(&mut ids, TIMEOUT)).await.is_none());
        assert_eq!(far.read().len(), 24);
        assert_eq!(ids.take(), Some(id(4)));

        // What comes behind is behind.
        far.send(&done(3));
        let mut messages = received(&mut near).await;
        assert_eq!(messages.len(), 4);
        let mut registry = Registry::new(id(2));
        assert_eq!(parts(&messages.pop().unwrap()), parts(&done(3)));
        assert_eq!(all_parts(&messages), all_parts(&events));
        for message in &messages {
            registry.update(message).unwrap();
        }
        assert_eq!(interfaces(&registry), ["wl_shm", "wl_seat"]);
    });
}

#[test]
fn what_was_put_back_twice_is_received_once_and_in_order() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut ids = ClientIds::new();
        let other = |opcode| Message::builder(id(77), opcode).build().unwrap();
        far.send_all(&[other(1), other(2)]);
        drive_io().await;
        assert!(now(near.registry(&mut ids, TIMEOUT)).await.is_none());
        far.send_all(&[other(3), global(4, 1, "wl_shm", 1), done(5)]);
        near.registry(&mut ids, TIMEOUT).await.unwrap();
        let left = [other(1), other(2), other(3)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
    });
}

#[test]
fn what_was_put_back_is_in_the_parts_of_the_connection() {
    run(async {
        use std::os::fd::AsFd;
        let (mut near, mut far) = client_with(|object, _| usize::from(object.get() == 77)).await;
        let files = memfds(2);
        let other = bytes_of::bytes_of(&Message::builder(id(77), 0).build().unwrap());
        far.send(&delete_id(9));
        foreign_send(&far.0, &other, &[&[files[0].as_fd()]]).unwrap();
        far.send(&done(3));
        foreign_send(&far.0, &other, &[&[files[1].as_fd()]]).unwrap();
        near.registry(&mut ClientIds::new(), TIMEOUT).await.unwrap();
        drive_io().await;
        // The next one is in the buffer below, and not only in the socket.
        let first = near.receive().await.unwrap().unwrap();
        assert_eq!(parts(&first), parts(&delete_id(9)));
        let parts = near.into_parts();
        // A set ends what one `recvmsg` returns, so the end of the answer came with the second.
        let sets: Vec<_> =
            parts.read_sets.iter().map(|set| (set.range.clone(), identities(&set.fds))).collect();
        assert_eq!(sets, [(0..8, identities(&files[..1])), (8..16, identities(&files[1..]))]);
        assert_eq!(parts.read_buffer, [&other[..], &other].concat());
    });
}

#[test]
fn of_what_was_put_back_each_message_with_descriptors_and_no_other_has_its_set_in_the_parts() {
    run(async {
        use std::os::fd::AsFd;
        let (mut near, mut far) = client_with(|object, _| usize::from(object.get() == 77)).await;
        let files = memfds(2);
        let other = bytes_of::bytes_of(&Message::builder(id(77), 0).build().unwrap());
        foreign_send(&far.0, &other, &[&[files[0].as_fd()]]).unwrap();
        far.send(&delete_id(9));
        foreign_send(&far.0, &other, &[&[files[1].as_fd()]]).unwrap();
        far.send(&done(3));
        near.registry(&mut ClientIds::new(), TIMEOUT).await.unwrap();
        let parts = near.into_parts();
        let plain = bytes_of::bytes_of(&delete_id(9));
        assert_eq!(parts.read_buffer, [&other[..], &plain, &other].concat());
        let sets: Vec<_> =
            parts.read_sets.iter().map(|set| (set.range.clone(), identities(&set.fds))).collect();
        assert_eq!(sets, [(0..8, identities(&files[..1])), (20..28, identities(&files[1..]))]);
    });
}

#[test]
fn what_was_put_back_is_received_after_a_change_of_the_source_of_counts() {
    run(async {
        let (registry, near) = against(&[delete_id(9), done(3)]).await;
        registry.unwrap();
        let (read, write) = near.map_signatures(|_| no_fds as Counts).into_split();
        let mut near = read.reunite(write).unwrap();
        assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(&delete_id(9)));
    });
}

#[test]
fn a_compositor_that_floods_us_is_stopped() {
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let mut near = Connection::new(near, no_fds as Counts, Limits::default()).unwrap();
        let mut far = Connection::new(far, no_fds as Counts, Limits::default()).unwrap();
        let flood = async {
            // The same one again and again, so that it is not the number of globals.
            let text = "a".repeat(3000);
            while far.send(global(2, 1, &text, 1)).await.is_ok() {}
        };
        let handshake = async move {
            let error = near.registry(&mut ClientIds::new(), TIMEOUT).await.unwrap_err();
            assert!(matches!(error, RegistryError::TooManyBytes { limit: 1_048_576 }), "{error:?}");
        };
        tokio::join!(flood, handshake);
    });
}

#[test]
fn a_registry_keeps_no_more_globals_than_it_may() {
    let mut registry = Registry::new(id(2));
    for name in 1..=MAX_GLOBALS as u32 {
        registry.update(&global(2, name, "a", 1)).unwrap();
    }
    let error = registry.update(&global(2, 0, "a", 1)).unwrap_err();
    assert!(matches!(error, RegistryError::TooManyGlobals { limit: MAX_GLOBALS }));
    assert_eq!(registry.globals().len(), MAX_GLOBALS);
    // One in the place of another needs no room.
    registry.update(&global(2, 1, "b", 1)).unwrap();
    assert_eq!(registry.globals().len(), MAX_GLOBALS);
    assert_eq!(registry.get(1).unwrap().interface, "b");
}

#[test]
fn an_update_returns_what_it_changed() {
    let mut registry = Registry::new(id(2));
    let added = registry.update(&global(2, 1, "wl_seat", 7)).unwrap();
    let Some(RegistryUpdate::Added(global_added)) = added else { panic!("{added:?}") };
    assert_eq!((global_added.name, global_added.version), (1, 7));
    let removed = registry.update(&global_remove(2, 1)).unwrap();
    assert_eq!(removed, Some(RegistryUpdate::Removed(global_added)));
    let removed = registry.update(&global_remove(2, 1)).unwrap();
    assert_eq!(removed, Some(RegistryUpdate::RemovedUnknown { name: 1 }));
    assert_eq!(registry.update(&global(3, 1, "wl_seat", 7)).unwrap(), None);
    assert!(registry.globals().is_empty());
}

#[test]
fn an_update_that_is_malformed_changes_nothing() {
    use std::os::fd::OwnedFd;
    guarded(|| {
        let mut registry = Registry::new(id(2));
        registry.update(&global(2, 1, "wl_seat", 7)).unwrap();
        let file: OwnedFd = memfd();
        let remove = Message::builder(id(2), 1).uint(1).fd(file).build().unwrap();
        let error = registry.update(&remove).unwrap_err();
        let RegistryError::Wire(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind, WireErrorKind::TrailingFds { count: 1 });
        assert_eq!(registry.globals().len(), 1);
    });
}
