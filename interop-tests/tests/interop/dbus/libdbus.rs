//! libdbus, the reference implementation, used by dbus-python and dbus-send.

use interop_tests::{Program, Scenario, Transcript, runtime};

use super::proxied::{ALL, Proxy, proxied};
use super::script::{bare, both};
use super::*;

const CLIENT: Script = Script("libdbus_client.py");
const SERVER: Script = Script("libdbus_server.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_of_the_peer_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Sixteen, t)
    }),
    Scenario::new("a_large_message_of_the_peer_is_returned", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("a_call_of_dbus_send_is_answered", dbus_send_calls_us),
    Scenario::new("the_peer_answers_a_call", |t| SERVER.is_called(Work::Call, t)),
    Scenario::new("the_peer_returns_descriptors", |t| SERVER.is_called(Work::Descriptors, t)),
    Scenario::new("the_peer_returns_sixteen_descriptors", |t| SERVER.is_called(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| {
        SERVER.is_called(Work::Batch, t)
    }),
    Scenario::new("the_peer_returns_a_large_message", |t| SERVER.is_called(Work::Large, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| proxied(Proxy::Spy, CLIENT, ALL, t)),
    Scenario::new("copied_traffic_is_unchanged", |t| proxied(Proxy::Copy, CLIENT, ALL, t)),
];

/// Runs dbus-send, which does not support descriptors.
fn dbus_send_calls_us(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let listener = server().bind(&address_in(&directory, "socket")).expect("a directory");
        let mut command = bare("dbus-send");
        command.arg(format!("--peer={}", listener.address()));
        command.args(["--print-reply=literal", PATH, "org.example.Test.Echo", "string:hello"]);
        let mut dbus_send = Program::start(&mut command);
        let serving = async {
            let incoming = listener.accept().await.expect("a client");
            let mut us = incoming.handshake().await.expect("a good client");
            serve(&mut us, transcript).await
        };
        let (_, said) = both(serving, &mut dbus_send).await;
        assert_eq!(said, ["   hello"]);
    });
}
