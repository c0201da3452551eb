//! sd-bus, the implementation of systemd: `busctl`, which calls methods; libsystemd itself; and
//! systemd-stdio-bridge, which is a server on its standard streams and forwards to another bus as
//! a client.
//!
//! busctl of Debian 12 prints descriptors, but does not accept them as arguments ("UNIX file
//! descriptor not supported as type"). So only the library and the bridge send descriptors.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use interop_tests::{Peer, Program, Scenario, Transcript, runtime};

use super::bus::SERVICE;
use super::proxied::{ALL, Proxy, compare, proxied};
use super::script::{bare, both};
use super::*;

const CLIENT: Script = Script("sd_bus_client.py");

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_of_busctl_is_answered", |t| busctl_calls_us(&["Echo", "s", "hello"], t)),
    Scenario::new("busctl_receives_descriptors", |t| busctl_calls_us(&["Give"], t)),
    Scenario::new("a_call_of_the_library_is_answered", |t| CLIENT.calls_us(Work::Call, t)),
    Scenario::new("descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_of_the_peer_are_returned", |t| {
        CLIENT.calls_us(Work::Sixteen, t)
    }),
    Scenario::new("a_large_message_of_the_peer_is_returned", |t| CLIENT.calls_us(Work::Large, t)),
    Scenario::new("a_call_crosses_the_bridge", |t| bridge(Work::Call, t)),
    Scenario::new("descriptors_cross_the_bridge_in_both_directions", |t| {
        bridge(Work::Descriptors, t)
    }),
    Scenario::new("sixteen_descriptors_cross_the_bridge", |t| bridge(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_cross_the_bridge", |t| bridge(Work::Batch, t)),
    Scenario::new("a_large_message_crosses_the_bridge", |t| bridge(Work::Large, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| proxied(Proxy::Spy, CLIENT, ALL, t)),
    Scenario::new("copied_traffic_is_unchanged", |t| proxied(Proxy::Copy, CLIENT, ALL, t)),
    Scenario::new("proxied_traffic_of_busctl_is_unchanged", proxied_busctl),
];

/// Returns a command that runs `busctl call` for a method of the service.
fn busctl(address: &str, call: &[&str]) -> Command {
    let mut command = bare("busctl");
    command.arg(format!("--address={address}"));
    command.args(["call", SERVICE, PATH, INTERFACE]).args(call);
    command
}

/// Checks the output: the type of the answer, and the numbers of descriptors, which are arbitrary.
fn see_answer(said: &[String], call: &[&str]) {
    let [answer] = said else { panic!("one line, not {said:?}") };
    match call {
        ["Give"] => {
            assert!(answer.starts_with("ah 2 "), "{answer}");
            assert_eq!(answer.split(' ').count(), 4, "{answer}");
        }
        _ => assert_eq!(answer, "s \"hello\""),
    }
}

fn busctl_calls_us(call: &[&str], transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let listener = server().bind(&address_in(&directory, "socket")).expect("a directory");
        let mut busctl = Program::start(&mut busctl(&listener.address().to_string(), call));
        let serving = async {
            let incoming = listener.accept().await.expect("a client");
            let mut us = incoming.handshake().await.expect("a good client");
            serve(&mut us, transcript).await
        };
        let (_, said) = both(serving, &mut busctl).await;
        see_answer(&said, call);
    });
}

/// Connects a client of anchovy-dbus to the server side of the bridge, and its client side to a
/// server of anchovy-dbus.
fn bridge(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        for (client, first) in LOGINS {
            let directory = Directory::new();
            let listener = server().bind(&address_in(&directory, "socket")).expect("a directory");
            let (near, far) = UnixStream::pair().expect("a pair");
            let mut command = bare("systemd-stdio-bridge");
            command.arg(format!("--bus-path={}", listener.address()));
            command.stdin(OwnedFd::from(far.try_clone().expect("room for a descriptor")));
            let mut bridge = Peer::start(command.stdout(OwnedFd::from(far)));
            drop(command); // It has copies of that end.

            let serving = async {
                let incoming = listener.accept().await.expect("a client");
                let mut us = incoming.handshake().await.expect("a good client");
                assert!(us.unix_fds(), "it asks for descriptors");
                serve(&mut us, &Transcript::default()).await
            };
            let calling = async {
                let mut us = client().handshake(near).await.expect("a good server");
                assert!(us.unix_fds(), "it agrees to descriptors");
                if let Some(first) = *first {
                    drive(&mut us, None, first, transcript).await;
                }
                drive(&mut us, None, work, transcript).await
            };
            let (served, given) = tokio::join!(serving, calling);
            assert_eq!(served.given, given);
            bridge.wait();
        }
    });
}

fn proxied_busctl(transcript: &Transcript) {
    for call in [&["Echo", "s", "hello"][..], &["Give"]] {
        transcript.note(format!("# {}", call[0]));
        compare(Proxy::Spy, transcript, async |bus| {
            let mut busctl = Program::start(&mut busctl(&bus.to_string(), call));
            see_answer(&busctl.ended().await, call);
        });
    }
}
