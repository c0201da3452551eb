//! dbus-broker, which forwards messages and needs a controller.
//!
//! Usually the controller is a launcher of systemd. Here it is a small program that uses
//! anchovy-dbus over the socket that the broker inherits.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use ::zbus::wire::serialized::Context;
use ::zbus::wire::{NATIVE_ENDIAN, to_bytes};
use ::zbus::{Fd, ObjectPath, Variant};
use anchovy_dbus::{Client, Connection, Message};
use interop_tests::{Directory, Peer, Scenario};

use super::bus::cross;
use super::script::bare;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_crosses_the_bus", |t| cross(broker, Work::Call, t)),
    Scenario::new("descriptors_cross_the_bus_in_both_directions", |t| {
        cross(broker, Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_bus", |t| cross(broker, Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| cross(broker, Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_bus", |t| cross(broker, Work::Large, t)),
];

/// A broker and its controller. The broker ends when the controller disconnects, at the latest.
struct Broker {
    _controller: Connection,
    _peer: Peer,
    _directory: Directory,
}

async fn broker() -> (Broker, Addresses) {
    let directory = Directory::new();
    let addresses = address_in(&directory, "bus");
    let listener = UnixListener::bind(directory.join("bus")).expect("a directory of ours");
    // The broker does not change the flags of the listener, and must not block in accept.
    listener.set_nonblocking(true).expect("a socket of ours");

    // The socket of the controller is the standard input, because that descriptor is inherited.
    let (near, far) = UnixStream::pair().expect("a pair");
    let mut command = bare("dbus-broker");
    command.args(["--controller", "0", "--machine-id", &guid().to_string()]);
    command.args(["--max-bytes", "536870912", "--max-fds", "4096"]);
    command.args(["--max-matches", "4096", "--max-objects", "4096"]);
    let peer = Peer::start(command.stdin(OwnedFd::from(far)));
    // The command has a copy of the socket, which would keep the connection open.
    drop(command);

    let mut controller = Client::new().handshake(near).await.expect("a broker");
    let serial = controller.send(add_listener(listener)).await.expect("it is sent");
    let answer = received(&mut controller).await.expect("an answer");
    assert_eq!(answer.header().reply_serial(), Some(serial));
    assert_eq!(answer.header().message_type(), MessageType::MethodReturn, "{answer:?}");
    (Broker { _controller: controller, _peer: peer, _directory: directory }, addresses)
}

/// Returns a policy without restrictions.
fn add_listener(listener: UnixListener) -> Message {
    type Name<'a> = (bool, u64, bool, &'a str);
    type Transmit<'a> = (bool, u64, &'a str, &'a str, &'a str, &'a str, u32, u32, u64, u64);
    type Batch<'a> = (bool, u64, Vec<Name<'a>>, Vec<Transmit<'a>>, Vec<Transmit<'a>>);

    let names: Vec<Name<'_>> = vec![(true, 1, true, "")];
    let anything: Transmit<'_> = (true, 1, "", "", "", "", 0, 0, 0, u64::MAX);
    let batch: Batch<'_> = (true, 1, names, vec![anything], vec![anything]);
    let users = vec![(u32::MAX, batch)]; // Of no user in particular.
    let ranges: Vec<(bool, u32, u32, Batch<'_>)> = Vec::new();
    let security: Vec<(&str, &str)> = Vec::new();
    let policy = Variant::new((users, ranges, security, false, "session"));

    let path = ObjectPath::try_from("/org/bus1/DBus/Listener/0").expect("a path");
    let body = (path, Fd::from(&listener), policy);
    let body = to_bytes(Context::new(NATIVE_ENDIAN, 0), &body);
    let body = body.expect("a body").bytes().to_vec();
    Message::method_call("/org/bus1/DBus/Broker", "AddListener")
        .interface("org.bus1.DBus.Broker")
        .body("ohv", body)
        .fd(listener)
        .build()
        .expect("a good call")
}
