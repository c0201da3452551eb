//! xdg-dbus-proxy, which filters between a sandbox and a bus.
//!
//! Before 0.1.6 it breaks every client that pipelines its handshake (its issue 21). The error then
//! names the fix, which is a stepwise handshake.

use std::process::Command;

use anchovy_dbus::Client;
use interop_tests::{DbusDaemon, Program, Scenario, Transcript, runtime};

use super::bus::{SERVICE, joined, serving};
use super::script::bare;
use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_crosses_the_proxy_with_a_stepwise_handshake", |t| {
        stepwise(Work::Call, t)
    }),
    Scenario::new("descriptors_cross_the_proxy_in_both_directions", |t| {
        stepwise(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_proxy", |t| stepwise(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_cross_the_proxy", |t| stepwise(Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_proxy", |t| stepwise(Work::Large, t)),
    Scenario::new("a_pipelined_handshake_succeeds_or_the_error_names_the_fix", pipelined),
];

/// The first version that supports a pipelined handshake.
const SUPPORTS_PIPELINING: [u32; 3] = [0, 1, 6];

/// A bus, the proxy, and a service of this process on the bus.
struct Proxied {
    _bus: DbusDaemon,
    _directory: Directory,
    _proxy: Program,
    service: Connection,
    address: Addresses,
}

async fn proxied_bus() -> Proxied {
    let bus = DbusDaemon::start();
    let directory = Directory::new();
    let mut command = bare("xdg-dbus-proxy");
    command.args(["--fd=1", bus.address()]).arg(directory.join("proxy"));
    let mut proxy = Program::start(&mut command);
    assert_eq!(proxy.byte().await, b'x', "the proxy prints a byte when it listens");
    let addresses = bus.address().parse().expect("an address");
    let service = serving(&addresses, &Transcript::default()).await;
    let address = address_in(&directory, "proxy");
    Proxied { _bus: bus, _directory: directory, _proxy: proxy, service, address }
}

fn stepwise(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        let mut proxied = proxied_bus().await;
        let mut us = joined(&Client::new().stepwise(), &proxied.address, transcript).await;
        let quiet = Transcript::default();
        tokio::select! {
            _ = drive(&mut us, Some(SERVICE), work, transcript) => {}
            _ = serve(&mut proxied.service, &quiet) => panic!("the bus has hung up"),
        }
    });
}

fn pipelined(transcript: &Transcript) {
    runtime().block_on(async {
        let mut proxied = proxied_bus().await;
        if version() >= SUPPORTS_PIPELINING {
            let quiet = Transcript::default();
            let mut us = joined(&Client::new(), &proxied.address, &quiet).await;
            tokio::select! {
                _ = drive(&mut us, Some(SERVICE), Work::Descriptors, &quiet) => {}
                _ = serve(&mut proxied.service, &quiet) => panic!("the bus has hung up"),
            }
        } else {
            let error =
                Client::new().connect(&proxied.address).await.expect_err("the proxy is too old");
            let said = error.to_string();
            assert!(said.contains("stepwise"), "the fix is not named: {said}");
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
