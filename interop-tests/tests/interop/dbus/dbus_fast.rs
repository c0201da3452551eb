//! dbus-fast, an implementation in Python. It has room for one descriptor in a message that it receives.

use interop_tests::Scenario;

use super::proxied::proxied;
use super::*;

const CLIENT: Script = Script("dbus_fast_client.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("its_call_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("its_descriptor_comes_back", |t| CLIENT.calls_us(Work::One, t)),
    Scenario::new("more_than_a_socket_takes_comes_back", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("sixteen_of_its_descriptors_come_to_us", |t| CLIENT.calls_us(Work::Sink, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| {
        proxied(CLIENT, &[Work::Call, Work::One, Work::Sink, Work::Large], t);
    }),
];
