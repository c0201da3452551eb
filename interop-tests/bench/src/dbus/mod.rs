//! D-Bus messages, compared with zbus 6.2.1, with both ends in one thread and the usual API of each.
//!
//! zbus runs on tokio (its feature `tokio`): a separate task reads the socket and passes messages to the
//! [`MessageStream`](zbus::MessageStream)s. anchovy-dbus reads in the task of the caller. Both build
//! each message that they send.

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

/// Number of messages in one measure.
const PLAIN: u32 = 5_000;
/// Number of messages with a descriptor: fewer, because descriptors in flight count against the limit
/// of the user.
const WITH_FD: u32 = 1_500;
/// Number of messages that are sent together: as many as zbus sends with one call.
const BATCH: u32 = 16;
const CALLS: u32 = 1_500;
const CONNECTS: u32 = 60;
const IDLE: usize = 32;

const WITH_DAEMON: &str = "D-Bus: connect to dbus-daemon, Hello";

pub(crate) const ROWS: &[Row] = &[
    // zbus sends queued messages together, and so does a sink of anchovy-dbus.
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
    // Without a goal: the system call for each message alone takes more than a quarter of the time.
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

/// Starts a daemon if a benchmark needs it. Without one, removes the benchmark.
pub(crate) fn daemon_for(rows: &mut Vec<&'static Row>) -> Option<DbusDaemon> {
    if rows.iter().all(|row| row.work != WITH_DAEMON) {
        return None;
    }
    let version = Command::new("dbus-daemon").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("skipped {WITH_DAEMON:?}: dbus-daemon was not found");
        rows.retain(|row| row.work != WITH_DAEMON);
        return None;
    }
    let daemon = DbusDaemon::start();
    ADDRESS.set(daemon.address().to_owned()).expect("one daemon");
    Some(daemon)
}

/// Returns the address of the daemon.
fn address() -> &'static str {
    ADDRESS.get().expect("a daemon was started")
}
