//! Counts of descriptors from the interfaces of wayland-rs.
#![cfg(all(target_os = "linux", feature = "wayland-backend"))]

#[path = "../registry/files.rs"]
mod files;
/// The interfaces of the protocol crates, as the example wayland_spy knows them.
#[path = "../../examples/protocols/mod.rs"]
mod protocols;

use std::collections::BTreeSet;
use std::fs;

use anchovy_wayland::fds::{self, Kind};
use anchovy_wayland::{
    Connection, Interfaces, Limits, Message, ObjectId, ReceiveError, Signatures,
};
use interop_tests::{guarded, identities, memfds, run};
use roxmltree::Document;

use files::protocol_files;
use protocols::interface;

fn object(id: u32) -> ObjectId {
    ObjectId::new(id).expect("not 0")
}

#[test]
fn the_counts_agree_with_the_table_for_every_message_of_the_protocol_crates() {
    guarded(|| {
        let mut names = BTreeSet::new();
        for file in protocol_files() {
            let text = fs::read_to_string(file).unwrap();
            let document = Document::parse(&text).unwrap();
            let nodes = document.descendants().filter(|node| node.has_tag_name("interface"));
            names.extend(nodes.filter_map(|node| node.attribute("name").map(str::to_owned)));
        }
        let (mut with_fds, mut messages) = (BTreeSet::new(), 0);
        for known in names.iter().filter_map(|name| interface(name)) {
            for (kind, count) in
                [(Kind::Request, known.requests.len()), (Kind::Event, known.events.len())]
            {
                let mut interfaces = Interfaces::new(kind);
                interfaces.insert(object(7), known);
                // The last opcode is one that the interface does not have.
                for opcode in 0..=u16::try_from(count).unwrap() {
                    let expected = match kind {
                        Kind::Request => fds::requests(known.name, opcode),
                        Kind::Event => fds::events(known.name, opcode),
                    };
                    let found = interfaces.fds(object(7), opcode);
                    assert_eq!(found, expected, "{} {kind:?} {opcode}", known.name);
                    messages += 1;
                    if found > 0 {
                        with_fds.insert((known.name, kind, opcode));
                    }
                }
            }
        }
        // Every message of the table whose interface the crates have was among them.
        let table = fds::ALL.iter().filter(|message| interface(message.interface).is_some());
        let table: BTreeSet<_> =
            table.map(|message| (message.interface, message.kind, message.opcode)).collect();
        assert_eq!(with_fds, table);
        assert!(table.len() > 20 && messages > 1000, "{} of {messages}", table.len());
    });
}

#[test]
fn an_object_has_the_interface_that_was_added_last() {
    guarded(|| {
        let (shm, seat) = (interface("wl_shm").unwrap(), interface("wl_seat").unwrap());
        let mut interfaces = Interfaces::new(Kind::Request);
        assert_eq!(interfaces.fds(object(5), 0), 0, "it is unknown");
        assert!(interfaces.insert(object(5), shm).is_none());
        assert_eq!((interfaces.fds(object(5), 0), interfaces.fds(object(6), 0)), (1, 0));
        let before = interfaces.insert(object(5), seat).unwrap();
        assert_eq!((before.name, interfaces.fds(object(5), 0)), ("wl_shm", 0));
        assert_eq!(interfaces.get(object(5)).unwrap().name, "wl_seat");
        assert_eq!(interfaces.created_by(object(5), 1).unwrap().name, "wl_keyboard");
        assert_eq!(interfaces.remove(object(5)).unwrap().name, "wl_seat");
        assert!(interfaces.get(object(5)).is_none());
        assert!(interfaces.created_by(object(5), 1).is_none());
    });
}

#[test]
fn a_bind_creates_no_object_of_a_known_interface() {
    guarded(|| {
        let mut interfaces = Interfaces::new(Kind::Request);
        interfaces.insert(object(2), interface("wl_registry").unwrap());
        assert!(interfaces.created_by(object(2), 0).is_none());
    });
}

#[test]
fn messages_get_their_descriptors_by_the_interfaces() {
    run(async {
        for kind in [Kind::Request, Kind::Event] {
            // A pool of a client, and a keymap of a compositor.
            let (name, other) = match kind {
                Kind::Request => ("wl_shm", "wl_surface"),
                Kind::Event => ("wl_keyboard", "wl_output"),
            };
            let (near, far) = tokio::net::UnixStream::pair().unwrap();
            let mut interfaces = Interfaces::new(kind);
            interfaces.insert(object(5), interface(name).unwrap());
            interfaces.insert(object(6), interface(other).unwrap());
            let mut near = Connection::new(near, interfaces, Limits::server()).unwrap();
            let mut far = Connection::without_fds(far, Limits::client()).unwrap();
            let mut sent = Vec::new();
            for _ in 0..3 {
                far.feed(Message::builder(object(6), 0).int(1).build().unwrap()).await.unwrap();
                let fd = memfds(1).remove(0);
                sent.extend(identities([&fd]));
                far.feed(Message::builder(object(5), 0).fd(fd).build().unwrap()).await.unwrap();
            }
            far.flush().await.unwrap();
            let mut received = Vec::new();
            for expected in [0, 1, 0, 1, 0, 1] {
                let mut message = near.receive().await.unwrap().unwrap();
                let fds = message.take_fds();
                assert_eq!(fds.len(), expected);
                received.extend(identities(fds));
            }
            assert_eq!(received, sent);

            // A message that the interface gives a descriptor has to have one.
            far.send(Message::builder(object(5), 0).int(1).build().unwrap()).await.unwrap();
            let error = near.receive().await.unwrap_err();
            assert!(matches!(error, ReceiveError::MissingFds { .. }), "{error:?}");
        }
    });
}
