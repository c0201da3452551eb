//! Objects that a client creates: their ids, and invalid requests.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::Arc;

use anchovy_wayland::{
    BindError, Connection, CreateError, Limits, Message, MessageBuilder, ObjectId, SendErrorKind,
    WireErrorKind,
};
use proptest::prelude::*;
use tokio::sync::Mutex;

use crate::harness::*;

/// `wl_compositor.create_surface`.
fn create_surface(new_id: ObjectId) -> MessageBuilder {
    Message::builder(id(77), 0).new_id(new_id)
}

async fn surface(client: &mut Connection) -> u32 {
    client.create("wl_surface", create_surface).await.unwrap().get()
}

/// The ids of the objects that these requests create, each of three words.
fn new_ids(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(12).map(|request| u32::from_ne_bytes(request[8..].try_into().unwrap())).collect()
}

#[test]
fn the_first_id_is_2_and_there_is_no_gap() {
    run(async {
        let (mut near, mut far) = client().await;
        for expected in 2..7 {
            assert_eq!(surface(&mut near).await, expected);
        }
        assert_eq!(new_ids(&far.read()), [2, 3, 4, 5, 6]);
    });
}

#[test]
fn create_sends_immediately_and_feed_create_with_the_next_flush() {
    run(async {
        let (mut near, mut far) = client().await;
        assert_eq!(near.feed_create("wl_surface", create_surface).await.unwrap(), id(2));
        assert_eq!(far.read(), [0_u8; 0]);
        assert_eq!(near.create("wl_surface", create_surface).await.unwrap(), id(3));
        assert_eq!(new_ids(&far.read()), [2, 3]);
    });
}

#[test]
fn an_id_is_free_after_its_deletion_is_received() {
    run(async {
        let (mut near, mut far) = client().await;
        for _ in 0..3 {
            surface(&mut near).await;
        }
        far.send(&delete_id(3));
        drive_io().await;
        assert_eq!(surface(&mut near).await, 5, "it has arrived, and is not received");
        assert!(at_once(near.receive()).await.is_none(), "it is not handed out");
        assert_eq!([surface(&mut near).await, surface(&mut near).await], [3, 6]);
    });
}

#[test]
fn a_deletion_of_an_id_that_is_not_in_use_is_ignored() {
    run(async {
        let (mut near, mut far) = client().await;
        surface(&mut near).await;
        for number in [0, 1, 3, 0xfeff_ffff, 0xff00_0000, u32::MAX] {
            far.send(&delete_id(number));
        }
        // One more time than it was created.
        far.send_all(&[delete_id(2), delete_id(2), other(1)]);
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        assert_eq!([surface(&mut near).await, surface(&mut near).await], [2, 3]);
    });
}

#[test]
fn an_id_is_not_free_while_events_before_its_deletion_are_kept() {
    run(async {
        let (mut near, mut far) = client().await;
        surface(&mut near).await;
        let event = || Message::builder(id(2), 0).uint(9).build().unwrap();
        far.send_all(&[event(), delete_id(2), other(1), done(3), delete_id(3), done(4)]);
        near.roundtrip().await.unwrap();
        near.roundtrip().await.unwrap();
        // The event of the old object 2 must not be taken for one of a new object 2. No event of the
        // callback can be among those that are kept, so its id is free.
        assert_eq!([surface(&mut near).await, surface(&mut near).await], [3, 5]);
        assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(&event()));
        assert_eq!(surface(&mut near).await, 6);
        assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(&other(1)));
        assert_eq!([surface(&mut near).await, surface(&mut near).await], [2, 7]);
    });
}

#[test]
fn roundtrips_alone_keep_nothing_and_use_two_ids() {
    run(async {
        let limits = Limits { max_kept_messages: 1, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        far.send_all(&[done(2), delete_id(2), other(1)]);
        // A roundtrip ends before the deletion of its callback, which the next one applies.
        for callback in [2, 3].into_iter().cycle().take(101) {
            if callback == 3 {
                far.send_all(&[done(3), delete_id(3), done(2), delete_id(2)]);
            }
            near.roundtrip().await.unwrap();
            assert_eq!(new_ids(&far.read()), [callback]);
        }
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
    });
}

#[test]
fn a_malformed_deletion_ends_receiving() {
    run(async {
        let build = |opcode| Message::builder(ObjectId::DISPLAY, opcode);
        for (event, kind) in [
            (build(1), WireErrorKind::EndsEarly { needed: 4, left: 0 }),
            (build(1).uint(2).uint(3), WireErrorKind::TrailingBytes { bytes: 4 }),
            (build(2), WireErrorKind::UnknownOpcode),
        ] {
            let (mut near, mut far) = client().await;
            far.send_all(&[event.build().unwrap(), other(1)]);
            let error = near.receive().await.unwrap_err();
            let anchovy_wayland::ReceiveError::Wire(error) = error else { panic!("{error:?}") };
            assert_eq!((error.object, error.kind), (1, kind));
            assert!(near.receive().await.unwrap().is_none());
        }
    });
}

#[test]
fn a_request_that_cannot_be_built_frees_its_id_and_returns_descriptors() {
    run(async {
        let (mut near, mut far) = client().await;
        let file = memfd();
        let before = identity(&file);
        let create = near.create("wl_shm_pool", |id| create_surface(id).fd(file).string("a\0b"));
        let CreateError::Build(error) = create.await.unwrap_err() else { panic!() };
        assert_eq!(error.error.kind, WireErrorKind::StringWithNul);
        assert_eq!(identities(&error.fds), [before]);
        assert_eq!(surface(&mut near).await, 2);
        assert_eq!(new_ids(&far.read()), [2]);
        assert_eq!(near.interface(id(2)).as_deref(), Some("wl_surface"));
    });
}

#[test]
fn a_request_that_is_too_long_frees_its_id() {
    run(async {
        let (mut near, mut far) = client().await;
        let create = near.create("wl_surface", |id| create_surface(id).array(&[0; 5000]));
        let CreateError::Send(error) = create.await.unwrap_err() else { panic!() };
        let SendErrorKind::Wire(wire) = error.kind else { panic!("{error:?}") };
        assert_eq!(wire.kind, WireErrorKind::TooLong { length: 5016, limit: 4096 });
        assert_eq!(error.unsent.unwrap().len(), 5016);
        assert_eq!(surface(&mut near).await, 2);
        assert_eq!(new_ids(&far.read()), [2]);
    });
}

#[test]
fn a_request_without_its_new_id_is_rejected() {
    run(async {
        let (mut near, mut far) = client().await;
        let create = near.create("wl_surface", |_| Message::builder(id(77), 0));
        let error = create.await.unwrap_err();
        assert!(matches!(error, CreateError::NewId { found: None, .. }), "{error:?}");
        let create = near.create("wl_surface", |_| create_surface(id(9)));
        let CreateError::NewId { id: new_id, found } = create.await.unwrap_err() else { panic!() };
        assert_eq!((new_id, found), (id(2), Some(id(9))));
        assert_eq!(far.read(), [0_u8; 0]);
        assert_eq!(surface(&mut near).await, 2);
    });
}

#[test]
fn a_builder_that_panics_frees_its_id() {
    run(async {
        let (near, mut far) = client().await;
        let (read, write) = near.into_split();
        let write = Arc::new(Mutex::new(write));
        let of_task = Arc::clone(&write);
        let task = tokio::spawn(async move {
            let mut write = of_task.lock().await;
            let create = write.create("wl_surface", |_| -> MessageBuilder {
                std::panic::resume_unwind(Box::new("a defect of the caller"))
            });
            create.await.map(drop)
        });
        assert!(task.await.unwrap_err().is_panic());
        let created = write.lock().await.create("wl_surface", create_surface).await;
        assert_eq!(created.unwrap(), id(2));
        assert_eq!(new_ids(&far.read()), [2]);
        drop(read);
    });
}

#[test]
fn a_create_dropped_while_it_waits_for_room_creates_nothing() {
    run(async {
        let limits = Limits { max_buffered_bytes: 4096, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        fill_buffers(&mut near).await;
        assert!(now(near.create("wl_surface", create_surface)).await.is_none());
        assert_eq!(near.interface(id(2)), None);
        while now(near.flush()).await.is_none() {
            while !far.read().is_empty() {}
            drive_io().await;
        }
        while !far.read().is_empty() {}
        assert_eq!(surface(&mut near).await, 2);
        assert_eq!(new_ids(&far.read()), [2]);
    });
}

#[test]
fn the_events_of_a_created_object_have_the_descriptors_of_its_interface() {
    run(async {
        let (mut near, mut far) = client().await;
        let keyboard = keyboard(&mut near, &mut far).await;
        let files = memfds(2);
        foreign_send(&far.0, &keymap_bytes(keyboard), &[&[files[0].as_fd()]]).unwrap();
        far.send(&other(1));
        foreign_send(&far.0, &keymap_bytes(keyboard), &[&[files[1].as_fd()]]).unwrap();
        let came: Vec<_> =
            received(&mut near).await.iter().map(|event| identities(event.fds())).collect();
        assert_eq!(came, [identities(&files[..1]), vec![], identities(&files[1..])]);
    });
}

#[test]
fn events_of_unpublished_interfaces_use_the_table_of_the_caller() {
    run(async {
        let (mut near, mut far) = client().await;
        near.set_event_fds(|interface, opcode| match (interface, opcode) {
            ("my_camera_v1", 3) => 2,
            ("wl_keyboard", 0) => panic!("the table has it"),
            _ => 0,
        });
        let name = String::from("my_camera_v1");
        let camera = near.create(name, create_surface).await.unwrap();
        let keyboard = keyboard_after(&mut near, &mut far).await;
        let files = memfds(3);
        let frame = bytes_of::bytes_of(&Message::builder(camera, 3).build().unwrap());
        foreign_send(&far.0, &frame, &[&[files[0].as_fd(), files[1].as_fd()]]).unwrap();
        foreign_send(&far.0, &keymap_bytes(keyboard), &[&[files[2].as_fd()]]).unwrap();
        let came: Vec<_> =
            received(&mut near).await.iter().map(|event| identities(event.fds())).collect();
        assert_eq!(came, [identities(&files[..2]), identities(&files[2..])]);
    });
}

#[test]
fn an_object_keeps_its_interface_until_its_deletion_is_received() {
    run(async {
        let (mut near, mut far) = client().await;
        let keyboard = keyboard(&mut near, &mut far).await;
        assert_eq!(near.interface(keyboard).as_deref(), Some("wl_keyboard"));
        assert_eq!(near.interface(ObjectId::DISPLAY).as_deref(), Some("wl_display"));
        // The client has destroyed it, and the compositor did not know yet.
        near.send(Message::builder(keyboard, 0).build().unwrap()).await.unwrap();
        let file = memfd();
        foreign_send(&far.0, &keymap_bytes(keyboard), &[&[file.as_fd()]]).unwrap();
        far.send(&delete_id(keyboard.get()));
        let [keymap] = &received(&mut near).await[..] else { panic!("one event") };
        assert_eq!(identities(keymap.fds()), [identity(&file)]);
        assert_eq!(near.interface(keyboard), None);
    });
}

#[test]
fn a_bind_negotiates_the_highest_common_version() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&[
            global(2, 7, "wl_shm", 2),
            global(2, 8, "wl_shm", 9),
            done(3),
            delete_id(3),
        ]);
        let registry = near.registry().await.unwrap();
        far.read();
        let shm = near.bind(&registry, "wl_shm", 1..=5).await.unwrap();
        assert_eq!((shm.version, shm.id), (2, id(4)));
        let expected = Message::builder(id(2), 0).uint(7).untyped_new_id("wl_shm", 2, id(4));
        assert_eq!(far.read(), bytes_of::bytes_of(&expected.build().unwrap()));
        assert_eq!(near.interface(shm.id).as_deref(), Some("wl_shm"));
        // Another one of the same interface.
        let second = registry.get(8).unwrap();
        assert_eq!(near.bind_global(&registry, second, 9).await.unwrap(), id(5));
        let expected = Message::builder(id(2), 0).uint(8).untyped_new_id("wl_shm", 9, id(5));
        assert_eq!(far.read(), bytes_of::bytes_of(&expected.build().unwrap()));
    });
}

#[test]
fn a_bind_without_a_common_version_fails() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&[global(2, 7, "wl_shm", 2), done(3)]);
        let registry = near.registry().await.unwrap();
        far.read();
        let error = near.bind(&registry, "wl_shm", 3..=5).await.unwrap_err();
        let BindError::Version { interface, wanted, offered } = error else { panic!("{error:?}") };
        assert_eq!((&*interface, wanted, offered), ("wl_shm", 3..=5, 2));
        let error = near.bind_global(&registry, &registry.globals()[0], 3).await.unwrap_err();
        assert!(matches!(error, BindError::Version { offered: 2, .. }), "{error:?}");
        assert_eq!((far.read(), surface(&mut near).await), (vec![], 4));
    });
}

#[test]
fn a_bind_of_a_missing_interface_fails() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&done(3));
        let registry = near.registry().await.unwrap();
        far.read();
        let error = near.bind(&registry, "wl_seat", 1..=9).await.unwrap_err();
        assert_eq!(error.to_string(), "the compositor has no global with the interface wl_seat");
        assert!(matches!(error, BindError::NoGlobal { interface } if interface == "wl_seat"));
        assert_eq!((far.read(), surface(&mut near).await), (vec![], 4));
    });
}

/// Creates a keyboard after what has been sent.
async fn keyboard_after(client: &mut Connection, compositor: &mut Foreign) -> ObjectId {
    compositor.read();
    keyboard(client, compositor).await
}

proptest! {
    /// Against a model: an id that is given is the smallest free one, and never one that is in use.
    #[test]
    fn ids_have_no_gaps_and_are_unique(steps in prop::collection::vec(prop::option::of(0u32..40), 0..100)) {
        let mut failure = None;
        run(async {
            let (mut near, mut far) = client().await;
            let mut taken = BTreeSet::new();
            for step in steps {
                match step {
                    None => {
                        let given = surface(&mut near).await;
                        let smallest = (2..).find(|number| !taken.contains(number)).unwrap();
                        if given != smallest {
                            failure = Some((given, smallest));
                        }
                        taken.insert(given);
                    }
                    Some(number) => {
                        far.send(&delete_id(number));
                        assert!(at_once(near.receive()).await.is_none());
                        taken.remove(&number);
                    }
                }
                far.read();
            }
        });
        prop_assert_eq!(failure, None);
    }
}
