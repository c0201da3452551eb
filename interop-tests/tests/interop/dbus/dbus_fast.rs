//! dbus-fast, an implementation in Python. It can receive one descriptor in each message.

use interop_tests::Scenario;

use super::proxied::{Proxy, proxied};
use super::*;

const CLIENT: Script = Script("dbus_fast_client.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_of_the_peer_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("a_descriptor_of_the_peer_is_returned", |t| CLIENT.calls_us(Work::One, t)),
    Scenario::new("a_large_message_of_the_peer_is_returned", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("sixteen_descriptors_of_the_peer_are_received", |t| {
        CLIENT.calls_us(Work::Sink, t)
    }),
    Scenario::new("proxied_traffic_is_unchanged", |t| {
        proxied(Proxy::Spy, CLIENT, &[Work::Call, Work::One, Work::Sink, Work::Large], t);
    }),
];
