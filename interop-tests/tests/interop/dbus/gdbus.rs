//! GDBus, the implementation of GLib.

use interop_tests::{Program, Scenario, Transcript};

use super::bus::SERVICE;
use super::proxied::{ALL, Proxy, copied, proxied};
use super::*;

const CLIENT: Script = Script("gdbus_client.py");
const SERVER: Script = Script("gdbus_server.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_of_the_peer_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Sixteen, t)
    }),
    Scenario::new("a_large_message_of_the_peer_is_returned", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("the_peer_answers_a_call", |t| SERVER.is_called(Work::Call, t)),
    Scenario::new("the_peer_returns_descriptors", |t| SERVER.is_called(Work::Descriptors, t)),
    Scenario::new("the_peer_returns_sixteen_descriptors", |t| SERVER.is_called(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| {
        SERVER.is_called(Work::Batch, t)
    }),
    Scenario::new("the_peer_returns_a_large_message", |t| SERVER.is_called(Work::Large, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| proxied(Proxy::Spy, CLIENT, ALL, t)),
    Scenario::new("copied_traffic_is_unchanged", |t| proxied(Proxy::Copy, CLIENT, ALL, t)),
    Scenario::new("calls_are_answered_through_a_copy", copied_by_us),
];

fn copied_by_us(transcript: &Transcript) {
    for &work in ALL {
        copied(async |bus| {
            Program::start(&mut CLIENT.on_bus(&bus, SERVICE, &Proxy::Copy.works(work)))
                .ended()
                .await;
        });
        transcript.note(format!("answered: {}", work.word()));
    }
}
