//! xdg-dbus-proxy, which stands between a sandbox and a bus, between us and a bus.
//!
//! Before 0.1.6 it breaks every client that sends its handshake at once (facts of its issue 21); the
//! error then names the cure, which is to go step by step.

use std::process::Command;

use anchovy_dbus::Client;
use interop_tests::{DbusDaemon, Program, Scenario, Transcript, runtime};

use super::bus::{SERVICE, joined, serving};
use super::script::bare;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_crosses_the_proxy_with_a_stepwise_handshake", |t| {
        step_by_step(Work::Call, t)
    }),
    Scenario::new("descriptors_cross_the_proxy_in_both_directions", |t| {
        step_by_step(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_proxy", |t| step_by_step(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_cross_the_proxy", |t| step_by_step(Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_proxy", |t| step_by_step(Work::Large, t)),
    Scenario::new("a_pipelined_handshake_succeeds_or_the_error_names_the_fix", at_once),
];

/// The first version that takes a handshake at once.
const TAKES_IT_AT_ONCE: [u32; 3] = [0, 1, 6];

/// A bus, the proxy before it, and our service on the bus.
struct Behind {
    _bus: DbusDaemon,
    _directory: Directory,
    _proxy: Program,
    service: Connection,
    address: Addresses,
}

async fn behind() -> Behind {
    let bus = DbusDaemon::start();
    let directory = Directory::new();
    let mut command = bare("xdg-dbus-proxy");
    command.args(["--fd=1", bus.address()]).arg(directory.join("proxy"));
    let mut proxy = Program::start(&mut command);
    assert_eq!(proxy.byte().await, b'x', "what it says when it listens");
    let addresses = bus.address().parse().expect("an address");
    let service = serving(&addresses, &Transcript::default()).await;
    let address = address_in(&directory, "proxy");
    Behind { _bus: bus, _directory: directory, _proxy: proxy, service, address }
}

fn step_by_step(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        let mut behind = behind().await;
        let mut us = joined(&Client::new().stepwise(), &behind.address, transcript).await;
        let quiet = Transcript::default();
        tokio::select! {
            _ = drive(&mut us, Some(SERVICE), work, transcript) => {}
            _ = serve(&mut behind.service, &quiet) => panic!("the bus has hung up"),
        }
    });
}

fn at_once(transcript: &Transcript) {
    runtime().block_on(async {
        let mut behind = behind().await;
        if version() >= TAKES_IT_AT_ONCE {
            let quiet = Transcript::default();
            let mut us = joined(&Client::new(), &behind.address, &quiet).await;
            tokio::select! {
                _ = drive(&mut us, Some(SERVICE), Work::Descriptors, &quiet) => {}
                _ = serve(&mut behind.service, &quiet) => panic!("the bus has hung up"),
            }
        } else {
            let error = Client::new().connect(&behind.address).await.expect_err("it is too old");
            let said = error.to_string();
            assert!(said.contains("stepwise"), "the cure is not named: {said}");
        }
        transcript.note("as its version has it");
    });
}

fn version() -> [u32; 3] {
    let output = Command::new("xdg-dbus-proxy").arg("--version").output().expect("it is installed");
    let text = String::from_utf8(output.stdout).expect("text");
    let numbers = text.trim().rsplit(' ').next().expect("a version").split('.');
    let numbers: Vec<u32> = numbers.map(|number| number.parse().expect("a number")).collect();
    numbers.try_into().expect("three numbers")
}
