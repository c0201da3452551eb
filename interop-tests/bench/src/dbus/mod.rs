//! Messages, beside zbus 6.2.1: each side as its users would have it, both ends in one thread.
//!
//! zbus runs on tokio, as its feature of that name has it: a task of its own reads the socket and
//! hands messages on to the [`MessageStream`](zbus::MessageStream)s. Ours reads where it is asked to.
//! Either side builds each message that it sends.

mod ours;
mod theirs;

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use interop_tests::DbusDaemon;

use crate::Measure::{Bytes, Time};
use crate::Row;

const PATH: &str = "/org/example/Bench";
const INTERFACE: &str = "org.example.Bench";
const MEMBER: &str = "Tick";

/// Messages that one measure sends.
const PLAIN: u32 = 5_000;
/// Fewer: what is under way counts against the limits of the user.
const WITH_FD: u32 = 1_500;
/// Messages that leave together, where they do: as many as zbus puts into one call.
const BATCH: u32 = 16;
const CALLS: u32 = 1_500;
const CONNECTS: u32 = 60;
const IDLE: usize = 32;

const WITH_DAEMON: &str = "D-Bus: connect to dbus-daemon, Hello";

pub(crate) const ROWS: &[Row] = &[
    // zbus as its users have it, and ours as a sink is used: what waits together leaves together.
    Row {
        work: "D-Bus: small signals",
        unit: "ns per message",
        contestants: &[
            ("zbus, send", Time(theirs::signals)),
            ("zbus, send_all of 16", Time(theirs::signals_in_batches)),
            ("anchovy-dbus, 16", Time(ours::signals_in_batches)),
            ("anchovy-dbus, feed", Time(ours::signals_fed)),
        ],
        goal: Some(0.333),
    },
    // Without a goal: the call alone that each message then costs is more than a quarter.
    Row {
        work: "D-Bus: small signals, one send each",
        unit: "ns per message",
        contestants: &[
            ("zbus", Time(theirs::signals)),
            ("zbus, built once", Time(theirs::signals_built_once)),
            ("write_all of the bytes", Time(ours::signals_bare)),
            ("anchovy-dbus", Time(ours::signals)),
        ],
        goal: None,
    },
    Row {
        work: "D-Bus: small signals with 1 descriptor",
        unit: "ns per message",
        contestants: &[
            ("zbus", Time(theirs::signals_with_fd)),
            ("anchovy-dbus, feed", Time(ours::signals_with_fd_fed)),
            ("anchovy-dbus", Time(ours::signals_with_fd)),
        ],
        goal: Some(0.769),
    },
    Row {
        work: "D-Bus: call and reply",
        unit: "ns per call",
        contestants: &[("zbus", Time(theirs::calls)), ("anchovy-dbus", Time(ours::calls))],
        goal: Some(0.90),
    },
    Row {
        work: "D-Bus: connect, both ends",
        unit: "ns per connection",
        contestants: &[("zbus", Time(theirs::connect)), ("anchovy-dbus", Time(ours::connect))],
        goal: Some(1.00),
    },
    Row {
        work: WITH_DAEMON,
        unit: "ns per connection",
        contestants: &[
            ("zbus", Time(theirs::connect_to_daemon)),
            ("anchovy-dbus", Time(ours::connect_to_daemon)),
        ],
        goal: Some(1.00),
    },
    Row {
        work: "D-Bus: memory of an idle connection",
        unit: "bytes per end that waits for its second message",
        contestants: &[("zbus", Bytes(theirs::idle)), ("anchovy-dbus", Bytes(ours::idle))],
        goal: Some(0.50),
    },
];

static ADDRESS: OnceLock<String> = OnceLock::new();

/// Starts a daemon, if one is needed; without one, its row is left out.
pub(crate) fn daemon_for(rows: &mut Vec<&'static Row>) -> Option<DbusDaemon> {
    if rows.iter().all(|row| row.work != WITH_DAEMON) {
        return None;
    }
    let version = Command::new("dbus-daemon").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("dbus-daemon is not installed: nothing is said of {WITH_DAEMON:?}");
        rows.retain(|row| row.work != WITH_DAEMON);
        return None;
    }
    let daemon = DbusDaemon::start();
    ADDRESS.set(daemon.address().to_owned()).expect("one daemon");
    Some(daemon)
}

/// Of the daemon.
fn address() -> &'static str {
    ADDRESS.get().expect("a daemon was started")
}
