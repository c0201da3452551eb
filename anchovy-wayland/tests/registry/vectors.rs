//! Captured messages of libwayland: building the same bytes, and reading them.
//!
//! They were captured between real programs on a little-endian machine.
#![cfg(target_endian = "little")]

use std::os::fd::AsFd;

use anchovy_wayland::opcodes::{wl_callback, wl_display, wl_registry};
use anchovy_wayland::{Connection, Limits, Message, ObjectId, Registry};

use crate::harness::*;

const FIRST_FLUSH: &str = "01000000 01000c00 02000000  01000000 00000c00 03000000";
const GLOBAL: &str =
    "02000000 00002400 01000000 0e000000 776c5f63 6f6d706f 7369746f 72000000 04000000";
const END: &str = "03000000 00000c00 00000000  01000000 01000c00 03000000";
const BIND: &str = "02000000 00002000 0a000000 07000000 776c5f73 686d0000 01000000 05000000";
const CREATE_POOL: &str = "07000000 04000c00 01000000  05000000 00001000 09000000 90d00300";
const KEYMAP: &str = "14000000 00001000 01000000 055f0000  14000000 05001000 19000000 58020000";
const SEND: &str = "0b000000 00002800 19000000 74657874 2f706c61 696e3b63 68617273 65743d75 \
                    74662d38 00000000";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Sends the messages. Returns the bytes and the number of descriptors of the first read.
async fn sent(messages: Vec<Message>) -> (Vec<u8>, usize) {
    let (mut near, far) = client().await;
    for message in messages {
        near.feed(message).await.unwrap();
    }
    near.flush().await.unwrap();
    let (bytes, fds, _) = foreign_receive(&far.0, 2048);
    (bytes, fds.len())
}

/// Sends the bytes with `fds` descriptors in one call. Returns the received messages.
async fn received(text: &str, fds: usize, counts: Counts) -> Vec<Message> {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let files = memfds(fds);
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let sets = [&files[..]];
    foreign_send(&far, &hex(text), if fds > 0 { &sets } else { &[] }).unwrap();
    drop(far);
    let mut connection = Connection::new(near, counts, Limits::default()).unwrap();
    let mut messages = Vec::new();
    while let Some(message) = connection.receive().await.unwrap() {
        messages.push(message);
    }
    messages
}

#[test]
fn the_first_flush_of_a_client_equals_that_of_libwayland() {
    run(async {
        let (mut near, mut far) = client().await;
        assert!(now(near.registry()).await.is_none());
        assert_eq!(far.read(), hex(FIRST_FLUSH));

        let messages = received(FIRST_FLUSH, 0, no_fds).await;
        let [get_registry, sync] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(parts(get_registry), (1, wl_display::GET_REGISTRY, hex("02000000")));
        assert_eq!(parts(sync), (1, wl_display::SYNC, hex("03000000")));
    });
}

#[test]
fn a_global_is_announced_as_by_libwayland() {
    run(async {
        let mut messages = received(GLOBAL, 0, no_fds).await;
        let mut registry = Registry::new(id(2));
        registry.update(&messages[0]).unwrap();
        let [global] = registry.globals() else { panic!("{registry:?}") };
        assert_eq!((global.name, &global.interface[..], global.version), (1, "wl_compositor", 4));
        let mut arguments = messages[0].read();
        assert_eq!(arguments.uint().unwrap(), 1);
        assert_eq!(arguments.string().unwrap(), c"wl_compositor");
        assert_eq!(arguments.uint().unwrap(), 4);
        arguments.finish().unwrap();

        let built = Message::builder(id(2), wl_registry::GLOBAL);
        let built = built.uint(1).string("wl_compositor").uint(4).build().unwrap();
        assert_eq!(sent(vec![built]).await, (hex(GLOBAL), 0));
    });
}

#[test]
fn the_end_of_a_reply_is_done_and_delete_id() {
    run(async {
        let messages = received(END, 0, no_fds).await;
        assert_eq!(parts(&messages[0]), (3, wl_callback::DONE, hex("00000000")));
        assert_eq!(parts(&messages[1]), (1, wl_display::DELETE_ID, hex("03000000")));
        assert_eq!(sent(vec![done(3), delete_id(3)]).await, (hex(END), 0));
    });
}

#[test]
fn a_bind_equals_that_of_libwayland() {
    run(async {
        let mut registry = Registry::new(id(2));
        registry.update(&global(2, 10, "wl_shm", 1)).unwrap();
        let bind = registry.bind(registry.find("wl_shm").unwrap(), 1, id(5)).unwrap();
        assert_eq!(sent(vec![bind]).await, (hex(BIND), 0));

        let mut messages = received(BIND, 0, no_fds).await;
        let mut arguments = messages[0].read();
        assert_eq!(arguments.uint().unwrap(), 10);
        assert_eq!(arguments.untyped_new_id().unwrap(), (c"wl_shm", 1, id(5)));
        arguments.finish().unwrap();
    });
}

#[test]
fn a_descriptor_before_its_message_belongs_to_it() {
    run(async {
        let counts: Counts = |object, opcode| usize::from((object.get(), opcode) == (5, 0));
        let mut messages = received(CREATE_POOL, 1, counts).await;
        let [acknowledge, create_pool] = &mut messages[..] else { panic!("{messages:?}") };
        assert_eq!((parts(acknowledge), acknowledge.fds().len()), ((7, 4, hex("01000000")), 0));
        let mut arguments = create_pool.read();
        assert_eq!(arguments.new_id().unwrap(), id(9));
        drop(arguments.fd().unwrap());
        assert_eq!(arguments.int().unwrap(), 250_000);
        arguments.finish().unwrap();

        let acknowledge = Message::builder(id(7), 4).uint(1).build().unwrap();
        let create_pool = Message::builder(id(5), 0).new_id(id(9)).fd(memfd()).int(250_000);
        let messages = vec![acknowledge, create_pool.build().unwrap()];
        assert_eq!(sent(messages).await, (hex(CREATE_POOL), 1));
    });
}

#[test]
fn a_keymap_event_equals_that_of_libwayland() {
    run(async {
        let counts: Counts = |object, opcode| usize::from((object.get(), opcode) == (0x14, 0));
        let mut messages = received(KEYMAP, 1, counts).await;
        let [keymap, repeat_info] = &mut messages[..] else { panic!("{messages:?}") };
        let mut arguments = keymap.read();
        assert_eq!(arguments.uint().unwrap(), 1);
        drop(arguments.fd().unwrap());
        assert_eq!(arguments.uint().unwrap(), 24325);
        arguments.finish().unwrap();
        let mut arguments = repeat_info.read();
        assert_eq!((arguments.int().unwrap(), arguments.int().unwrap()), (25, 600));
        arguments.finish().unwrap();

        let keymap = Message::builder(id(0x14), 0).uint(1).fd(memfd()).uint(24325).build().unwrap();
        let repeat_info = Message::builder(id(0x14), 5).int(25).int(600).build().unwrap();
        assert_eq!(sent(vec![keymap, repeat_info]).await, (hex(KEYMAP), 1));
    });
}

#[test]
fn a_request_for_a_selection_equals_that_of_libwayland() {
    run(async {
        let mut messages = received(SEND, 1, |_, _| 1).await;
        let mut arguments = messages[0].read();
        assert_eq!(arguments.string().unwrap(), c"text/plain;charset=utf-8");
        drop(arguments.fd().unwrap());
        arguments.finish().unwrap();

        let built = Message::builder(id(0x0b), 0).string("text/plain;charset=utf-8").fd(memfd());
        assert_eq!(sent(vec![built.build().unwrap()]).await, (hex(SEND), 1));
    });
}

#[test]
fn the_display_exists_from_the_start() {
    assert_eq!(ObjectId::DISPLAY, id(1));
}
