//! The registry of a client, with a scripted compositor.

use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::time::Duration;

use anchovy_wayland::{
    Connection, Limits, MAX_GLOBALS, Message, ReceiveError, Registry, RegistryError,
    RegistryUpdate, RoundtripError, SendErrorKind, WireErrorKind,
};
use tokio::time::{Instant, advance, pause};

use crate::harness::*;

/// Asks for the registry of a compositor that has sent this already.
async fn against(messages: &[Message]) -> (Result<Registry, RoundtripError>, Connection) {
    let (mut near, mut far) = client().await;
    far.send_all(messages);
    let outcome = near.registry().await;
    (outcome, near)
}

fn interfaces(registry: &Registry) -> Vec<&str> {
    registry.globals().iter().map(|global| &global.interface[..]).collect()
}

#[test]
fn all_globals_before_the_reply_are_in_the_registry_in_order() {
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
fn both_requests_are_sent_in_one_write() {
    run(async {
        let (mut near, far) = client().await;
        assert!(now(near.registry()).await.is_none());
        // One `sendmsg` without descriptors is one buffer of the socket, and no more.
        far.0.set_nonblocking(true).unwrap();
        let (bytes, ..) = foreign_receive(&far.0, 0);
        assert_eq!(bytes.len(), 24);
    });
}

#[test]
fn the_ids_are_the_smallest_free_ones() {
    run(async {
        let (mut near, mut far) = client().await;
        for _ in 0..3 {
            keyboard(&mut near, &mut far).await;
        }
        far.send(&delete_id(3));
        assert!(at_once(near.receive()).await.is_none());
        far.send_all(&[global(3, 9, "wl_seat", 7), done(5)]);
        let registry = near.registry().await.unwrap();
        assert_eq!((registry.id(), interfaces(&registry)), (id(3), vec!["wl_seat"]));
    });
}

#[test]
fn a_reply_may_arrive_byte_by_byte() {
    run(async {
        let (mut near, mut far) = client().await;
        let answer = [global(2, 1, "wl_compositor", 4), global(2, 2, "wl_shm", 1), done(3)];
        let bytes: Vec<u8> = answer.iter().flat_map(bytes_of::bytes_of).collect();
        let mut handshake = pin!(near.registry());
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
fn a_global_that_is_removed_before_the_reply_is_not_in_the_registry() {
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
fn other_events_are_received_afterwards_in_order() {
    run(async {
        let answer = [
            other(1),
            global(2, 1, "wl_shm", 1),
            other(2),
            done(3),
            delete_id(3),
            other(3),
            global(2, 2, "wl_seat", 1),
        ];
        let (registry, mut near) = against(&answer).await;
        assert_eq!(interfaces(&registry.unwrap()), ["wl_shm"]);
        // A global that is added later is the caller's.
        let left = [other(1), other(2), other(3), global(2, 2, "wl_seat", 1)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
    });
}

#[test]
fn descriptors_of_kept_events_stay_with_their_message() {
    run(async {
        let (mut near, mut far) = client().await;
        let keyboard = keyboard(&mut near, &mut far).await;
        let file = memfd();
        foreign_send(&far.0, &keymap_bytes(keyboard), &[&[file.as_fd()]]).unwrap();
        far.send_all(&[global(3, 1, "wl_shm", 1), done(4)]);
        near.registry().await.unwrap();
        let message = near.receive().await.unwrap().unwrap();
        assert_eq!(identities(message.fds()), [identity(&file)]);
    });
}

#[test]
fn a_compositor_that_closed_silently_is_a_failed_send() {
    run(async {
        let (mut near, far) = client().await;
        drop(far);
        let RoundtripError::Send(error) = near.registry().await.unwrap_err() else { panic!() };
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
    });
}

#[test]
fn a_compositor_that_closes_before_the_reply_is_an_error() {
    run(async {
        let (mut near, mut far) = client().await;
        {
            let mut handshake = pin!(near.registry());
            assert!(now(handshake.as_mut()).await.is_none());
            // What is read does not reset the connection.
            assert_eq!(far.read().len(), 24);
            far.send_all(&[global(2, 1, "wl_shm", 1), other(1)]);
            drop(far);
            let error = handshake.await.unwrap_err();
            assert!(matches!(error, RoundtripError::Closed), "{error:?}");
        }
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        assert!(near.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_compositor_that_closes_inside_a_message_is_a_receive_error() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut handshake = pin!(near.registry());
        assert!(now(handshake.as_mut()).await.is_none());
        far.read();
        far.write(&bytes_of::bytes_of(&done(3))[..9]);
        drop(far);
        let RoundtripError::Receive(error) = handshake.await.unwrap_err() else { panic!() };
        assert!(matches!(error, ReceiveError::ClosedInsideMessage { bytes: 9, .. }), "{error:?}");
    });
}

#[test]
fn an_invalid_header_is_a_receive_error() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&other(1));
        far.write(&[0; 8]);
        let outcome = near.registry().await;
        let Err(RoundtripError::Receive(ReceiveError::Wire(error))) = outcome else { panic!() };
        assert_eq!(error.kind, WireErrorKind::NullObject);
        // The event before it is not lost.
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
    });
}

#[test]
fn a_malformed_event_is_an_error_with_its_object_and_opcode() {
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
        (build(1, 1), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
        (build(1, 1).uint(2).uint(3), WireErrorKind::TrailingBytes { bytes: 4 }),
        (build(1, 2), WireErrorKind::UnknownOpcode),
    ];
    run(async {
        for (event, fault) in events {
            let event = event.build().unwrap();
            let (outcome, _) = against(std::slice::from_ref(&event)).await;
            let error = match outcome.unwrap_err() {
                RoundtripError::Wire(error)
                | RoundtripError::Registry(RegistryError::Wire(error))
                | RoundtripError::Receive(ReceiveError::Wire(error)) => error,
                error => panic!("{event:?} {error:?}"),
            };
            assert_eq!(error.kind, fault, "{event:?}");
            assert_eq!((error.object, error.opcode), (event.object().get(), event.opcode()));
        }
    });
}

#[test]
fn a_silent_compositor_times_out_exactly_at_the_deadline() {
    run(async {
        pause();
        let timeout = Duration::from_millis(1500);
        let limits = Limits { reply_timeout: Some(timeout), ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        far.send_all(&[global(2, 1, "wl_shm", 1), other(1)]);
        let begin = Instant::now();
        let error = near.registry().await.unwrap_err();
        assert!(matches!(error, RoundtripError::TimedOut { timeout: limit } if limit == timeout));
        // Tokio's timers have steps of a millisecond.
        assert!((timeout..=timeout + Duration::from_millis(1)).contains(&begin.elapsed()));
        // The connection stays usable, and a second registry works.
        far.send_all(&[global(2, 2, "wl_seat", 1), done(3), global(4, 1, "wl_shm", 1), done(5)]);
        let registry = near.registry().await.unwrap();
        assert_eq!((registry.id(), interfaces(&registry)), (id(4), vec!["wl_shm"]));
        // Events of the dropped registry are discarded, now and later.
        far.send(&global(2, 3, "wl_output", 1));
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
    });
}

#[test]
fn a_compositor_that_sends_events_forever_times_out() {
    run(async {
        pause();
        let limits = Limits { reply_timeout: Some(Duration::from_secs(5)), ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        let mut handshake = pin!(near.registry());
        for name in 1..=5 {
            assert!(now(handshake.as_mut()).await.is_none());
            far.send(&global(2, name, "wl_output", 1));
            advance(Duration::from_secs(1)).await;
        }
        advance(Duration::from_millis(1)).await;
        let outcome = now(handshake.as_mut()).await.expect("it is over");
        assert!(matches!(outcome, Err(RoundtripError::TimedOut { .. })));
    });
}

#[test]
fn a_client_without_a_timeout_waits_forever() {
    run(async {
        pause();
        let limits = Limits { reply_timeout: None, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        let mut handshake = pin!(near.registry());
        assert!(now(handshake.as_mut()).await.is_none());
        advance(Duration::from_secs(1 << 20)).await;
        assert!(now(handshake.as_mut()).await.is_none());
        far.send(&done(3));
        handshake.await.unwrap();
    });
}

#[test]
fn a_dropped_registry_loses_no_other_event() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&[global(2, 1, "wl_shm", 1), other(1), global(2, 2, "wl_seat", 1)]);
        drive_io().await;
        assert!(now(near.registry()).await.is_none());
        assert_eq!(far.read().len(), 24);
        far.send_all(&[done(3), delete_id(3), other(2)]);
        let left = [other(1), other(2)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
        // The requests have left, so the registry is still there.
        let surface = near.create("wl_surface", |id| Message::builder(self::id(77), 0).new_id(id));
        assert_eq!(surface.await.unwrap(), id(3));
        let surface = near.create("wl_surface", |id| Message::builder(self::id(77), 0).new_id(id));
        assert_eq!(surface.await.unwrap(), id(4));
    });
}

#[test]
fn events_kept_by_two_waits_are_received_once_and_in_order() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&[other(1), other(2)]);
        drive_io().await;
        assert!(now(near.registry()).await.is_none());
        far.send_all(&[other(3), global(4, 1, "wl_shm", 1), done(5)]);
        near.registry().await.unwrap();
        let left = [other(1), other(2), other(3)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
    });
}

#[test]
fn kept_events_are_in_the_parts_of_the_connection_with_their_descriptors() {
    run(async {
        let (mut near, mut far) = client().await;
        let keyboard = keyboard(&mut near, &mut far).await;
        let files = memfds(3);
        let keymap = keymap_bytes(keyboard);
        let plain = other(1);
        foreign_send(&far.0, &keymap, &[&[files[0].as_fd()]]).unwrap();
        far.send(&plain);
        foreign_send(&far.0, &keymap, &[&[files[1].as_fd()]]).unwrap();
        far.send(&done(4));
        foreign_send(&far.0, &keymap, &[&[files[2].as_fd()]]).unwrap();
        near.registry().await.unwrap();
        drive_io().await;
        // The next one is in the buffer below, and not only in the socket.
        let first = near.receive().await.unwrap().unwrap();
        assert_eq!(identities(first.fds()), identities(&files[..1]));
        let parts = near.into_parts();
        let plain = bytes_of::bytes_of(&plain);
        // One `recvmsg` ends after a descriptor set, so the end of the reply arrived with the last one.
        assert_eq!(parts.read_buffer, [&plain[..], &keymap, &keymap].concat());
        let sets: Vec<_> =
            parts.read_sets.iter().map(|set| (set.range.clone(), identities(&set.fds))).collect();
        assert_eq!(sets, [(12..28, identities(&files[1..2])), (28..44, identities(&files[2..]))]);
    });
}

#[test]
fn kept_events_are_received_after_a_split() {
    run(async {
        let (registry, near) = against(&[other(1), done(3)]).await;
        registry.unwrap();
        let (mut read, write) = near.into_split();
        let event = read.receive().await.unwrap().unwrap();
        assert_eq!(parts(&event), parts(&other(1)));
        drop(read.reunite(write).unwrap());
    });
}

#[test]
fn too_many_globals_end_the_wait_and_not_the_connection() {
    run(async {
        let (mut near, mut far) = pair();
        let flood = async {
            for name in 1..=MAX_GLOBALS as u32 + 1 {
                far.feed(global(2, name, "a", 1)).await.unwrap();
            }
            far.flush().await.unwrap();
        };
        let (outcome, ()) = tokio::join!(near.registry(), flood);
        let error = outcome.unwrap_err();
        let expected = RegistryError::TooManyGlobals { limit: MAX_GLOBALS };
        assert!(matches!(error, RoundtripError::Registry(error) if error == expected));
        far.feed(done(3)).await.unwrap();
        far.send(done(4)).await.unwrap();
        near.roundtrip().await.unwrap();
        assert!(received(&mut near).await.is_empty());
    });
}

#[test]
fn the_number_of_globals_in_a_registry_is_limited() {
    let mut registry = Registry::new(id(2));
    for name in 1..=MAX_GLOBALS as u32 {
        registry.update(&global(2, name, "a", 1)).unwrap();
    }
    let error = registry.update(&global(2, 0, "a", 1)).unwrap_err();
    assert_eq!(error, RegistryError::TooManyGlobals { limit: MAX_GLOBALS });
    assert_eq!(registry.globals().len(), MAX_GLOBALS);
    // One in the place of another needs no room.
    registry.update(&global(2, 1, "b", 1)).unwrap();
    assert_eq!(registry.globals().len(), MAX_GLOBALS);
    assert_eq!(registry.get(1).unwrap().interface, "b");
}

#[test]
fn an_update_returns_the_change() {
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
fn a_malformed_update_changes_nothing() {
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
