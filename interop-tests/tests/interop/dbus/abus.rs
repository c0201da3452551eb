//! abus, a D-Bus library that uses anchovy: its release on crates.io, which xtask builds on the
//! anchovy of this repository.

use interop_tests::{DbusDaemon, Program, Scenario, Transcript, runtime};

use super::bus::{SERVICE, serving};
use super::script::bare;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::new("two_hundred_calls_of_the_peer_are_answered", two_hundred_calls)];

fn two_hundred_calls(transcript: &Transcript) {
    runtime().block_on(async {
        let bus = DbusDaemon::start();
        let addresses = bus.address().parse().expect("an address");
        let quiet = Transcript::default();
        let mut service = serving(&addresses, &quiet).await;
        let mut command = bare("abus-client");
        let mut client = Program::start(command.arg(bus.path()).arg(SERVICE));
        tokio::select! {
            said = client.ended() => said.into_iter().for_each(|line| transcript.note(line)),
            _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
        }
    });
}
