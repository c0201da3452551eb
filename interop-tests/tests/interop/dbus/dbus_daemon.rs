//! The bus of the reference implementation.

use interop_tests::{DbusDaemon, Scenario};

use super::bus::cross;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_crosses_the_bus", |t| cross(daemon, Work::Call, t)),
    Scenario::new("descriptors_cross_the_bus_in_both_directions", |t| {
        cross(daemon, Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_bus", |t| cross(daemon, Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| cross(daemon, Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_bus", |t| cross(daemon, Work::Large, t)),
];

async fn daemon() -> (DbusDaemon, Addresses) {
    let daemon = DbusDaemon::start();
    let addresses = daemon.address().parse().expect("an address");
    (daemon, addresses)
}
