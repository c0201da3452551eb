//! GDBus, the implementation of GLib.

use interop_tests::Scenario;

use super::proxied::{ALL, proxied};
use super::*;

const CLIENT: Script = Script("gdbus_client.py");
const SERVER: Script = Script("gdbus_server.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("its_call_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("its_descriptors_come_back", |t| CLIENT.calls_us(Work::Descriptors, t)),
    Scenario::new("sixteen_of_its_descriptors_come_back", |t| CLIENT.calls_us(Work::Sixteen, t)),
    Scenario::new("more_than_a_socket_takes_comes_back", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("it_answers_our_call", |t| SERVER.is_called(Work::Call, t)),
    Scenario::new("our_descriptors_come_back", |t| SERVER.is_called(Work::Descriptors, t)),
    Scenario::new("sixteen_of_ours_come_back", |t| SERVER.is_called(Work::Sixteen, t)),
    Scenario::new("calls_of_ours_sent_together_keep_theirs", |t| SERVER.is_called(Work::Batch, t)),
    Scenario::new("more_than_our_socket_takes_comes_back", |t| SERVER.is_called(Work::Large, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| proxied(CLIENT, ALL, t)),
];
