//! The scenarios with real programs, which `cargo xtask interop` runs.
//!
//! Each peer has a file, and a line in [`PEERS`]. xtask has a definition of the same name, which
//! describes how to install the peer. This program runs one scenario and ends, so that each one
//! has its own process:
//!
//! ```text
//! interop --list               prints the peer and the name of every scenario
//! interop PEER SCENARIO        runs one scenario, and compares its transcript with the accepted one
//! ```
//!
//! Without arguments, as `cargo test` starts it, it only prints the number of scenarios, because
//! not every machine has the peers.
//!
//! wayland-client and wayland-server have two backends, and a build contains one of them. So there
//! are two builds, which differ in the feature `libwayland` and in the name of this peer.

#![cfg(target_os = "linux")]

mod copied;
mod dbus;
mod plain;
mod wayland;

use std::process::ExitCode;

use interop_tests::Scenario;

/// The peer with the crates wayland-client and wayland-server, by the backend of this build.
const WAYLAND_RS: &str =
    if cfg!(feature = "libwayland") { "wayland-rs-libwayland" } else { "wayland-rs" };

/// The scenarios of every peer, whose names are the same in xtask.
const PEERS: &[(&str, &[Scenario])] = &[
    ("zbus", dbus::zbus::SCENARIOS),
    ("busd", dbus::busd::SCENARIOS),
    ("abus", dbus::abus::SCENARIOS),
    ("dbus-daemon", dbus::dbus_daemon::SCENARIOS),
    ("dbus-broker", dbus::dbus_broker::SCENARIOS),
    ("libdbus", dbus::libdbus::SCENARIOS),
    ("sd-bus", dbus::sd_bus::SCENARIOS),
    ("gdbus", dbus::gdbus::SCENARIOS),
    ("dbus-fast", dbus::dbus_fast::SCENARIOS),
    ("xdg-dbus-proxy", dbus::xdg_dbus_proxy::SCENARIOS),
    ("python", plain::python::SCENARIOS),
    ("anyio", plain::anyio::SCENARIOS),
    ("c", plain::c::SCENARIOS),
    ("zlink", plain::zlink::SCENARIOS),
    ("openssh", plain::openssh::SCENARIOS),
    ("crun", plain::crun::SCENARIOS),
    ("qemu", plain::qemu::SCENARIOS),
    (WAYLAND_RS, wayland::wayland_rs::SCENARIOS),
    ("libwayland", wayland::libwayland::SCENARIOS),
    ("weston", wayland::weston::SCENARIOS),
    ("sway", wayland::sway::SCENARIOS),
    ("waypipe", wayland::waypipe::SCENARIOS),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            for (peer, scenarios) in PEERS {
                for scenario in *scenarios {
                    println!("{peer} {}", scenario.name);
                }
            }
            ExitCode::SUCCESS
        }
        [peer, name] if !peer.starts_with('-') => match find(peer, name) {
            Some(scenario) => {
                compare(peer, name, &scenario.run_alone());
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("there is no scenario {name} of {peer}");
                ExitCode::from(2)
            }
        },
        _ => {
            let count: usize = PEERS.iter().map(|(_, scenarios)| scenarios.len()).sum();
            println!(
                "{count} scenarios with {} peers: `cargo xtask interop` runs them",
                PEERS.len()
            );
            ExitCode::SUCCESS
        }
    }
}

fn find(peer: &str, name: &str) -> Option<&'static Scenario> {
    let (_, scenarios) = PEERS.iter().find(|(known, _)| *known == peer)?;
    scenarios.iter().find(|scenario| scenario.name == name)
}

/// Panics unless the transcript is the accepted one (`cargo insta review` accepts a new one).
fn compare(peer: &str, name: &str, transcript: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{peer}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, transcript));
}
