//! Allocations of a client for each event and each object.

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Connection, Limits, Message, ObjectId};

use crate::harness::*;

/// Allocations of 1000 rounds of this, after 100 others.
fn allocations(round: impl AsyncFn(&mut Connection, &mut Connection<Counts>)) -> u64 {
    let runtime = runtime();
    let (mut near, mut far) = runtime.block_on(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let far = Connection::new(far, no_fds as Counts, Limits::server()).unwrap();
        (Connection::client(near, Limits::client()).unwrap(), far)
    });
    let mut rounds = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                round(&mut near, &mut far).await;
            }
        });
    };
    rounds(100);
    allocation_counter::measure(|| rounds(1_000)).count_total
}

fn event(object: u32) -> Message {
    Message::builder(id(object), 3).uint(1).uint(2).build().unwrap()
}

fn create_surface(new_id: ObjectId) -> anchovy_wayland::MessageBuilder {
    Message::builder(id(77), 0).new_id(new_id)
}

#[test]
fn receiving_an_event_does_not_allocate() {
    guarded(|| {
        let count = allocations(async |near, far| {
            if near.interface(id(2)).is_none() {
                near.create("wl_surface", create_surface).await.unwrap();
                near.set_event_fds(|_, _| 0);
            }
            far.send(event(2)).await.unwrap();
            assert_eq!(near.receive().await.unwrap().unwrap().object(), id(2));
        });
        assert_eq!(count, 0);
    });
}

#[test]
fn creating_an_object_with_a_reused_id_does_not_allocate() {
    guarded(|| {
        let count = allocations(async |near, far| {
            let id = near.create("wl_callback", create_surface).await.unwrap();
            far.receive().await.unwrap().unwrap();
            let deletion =
                Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID).uint(id.get());
            far.feed(deletion.build().unwrap()).await.unwrap();
            far.send(event(77)).await.unwrap();
            assert_eq!(near.receive().await.unwrap().unwrap().object(), self::id(77));
            assert_eq!(id.get(), 2);
        });
        assert_eq!(count, 0);
    });
}

#[test]
fn a_roundtrip_that_keeps_an_event_does_not_allocate() {
    guarded(|| {
        let count = allocations(async |near, far| {
            let answer = async {
                let sync = far.receive().await.unwrap().unwrap();
                let callback = u32::from_ne_bytes(sync.arguments().try_into().unwrap());
                for event in [event(77), done(callback), delete_id(callback)] {
                    far.feed(event).await.unwrap();
                }
                far.flush().await.unwrap();
            };
            let (replied, ()) = tokio::join!(near.roundtrip(), answer);
            replied.unwrap();
            assert_eq!(near.receive().await.unwrap().unwrap().object(), id(77));
        });
        assert_eq!(count, 0);
    });
}
