//! busd, a bus that uses zbus.

use interop_tests::{Directory, Program, Scenario};

use super::bus::cross;
use super::script::bare;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_crosses_the_bus", |t| cross(busd, Work::Call, t)),
    Scenario::new("descriptors_cross_the_bus_in_both_directions", |t| {
        cross(busd, Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_bus", |t| cross(busd, Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| cross(busd, Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_bus", |t| cross(busd, Work::Large, t)),
];

async fn busd() -> ((Program, Directory), Addresses) {
    let directory = Directory::new();
    let address = address_in(&directory, "bus");
    // Without its own configuration it would read that of the machine.
    let configuration = directory.join("configuration");
    std::fs::write(&configuration, "<busconfig></busconfig>\n").expect("a directory of ours");
    let mut command = bare("busd");
    command.args(["--print-address", "--address", &address.to_string(), "--config"]);
    let mut busd = Program::start(command.arg(configuration));
    let printed = busd.line().await;
    ((busd, directory), printed.parse().expect("an address"))
}
