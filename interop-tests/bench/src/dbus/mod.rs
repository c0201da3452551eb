//! D-Bus messages, compared with zbus 6.2.1, with both ends in one thread and the usual API of each.
//!
//! zbus runs on tokio (its feature `tokio`): a separate task reads the socket and passes messages to the
//! [`MessageStream`](zbus::MessageStream)s. anchovy-dbus reads in the task of the caller. Both build
//! each message that they send.

mod baseline;
mod messages;
mod ours;
mod theirs;

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use interop_tests::DbusDaemon;

pub(crate) use ours::calls_to_daemon;

use crate::row::{Role, Row};
use crate::spies;

const PATH: &str = "/org/example/Bench";
const INTERFACE: &str = "org.example.Bench";
const MEMBER: &str = "Tick";

/// Number of messages in one measure.
const PLAIN: u32 = 5_000;
/// Number of messages with a descriptor: fewer, because descriptors in flight count against the limit
/// of the user.
const WITH_FD: u32 = 1_500;
/// Number of descriptors that every D-Bus library accepts in one message.
const MANY: usize = 16;
/// Number of messages with that many descriptors.
const WITH_MANY: u32 = 200;
/// Number of messages that are sent together: as many as zbus sends with one call.
const BATCH: u32 = 16;
const CALLS: u32 = 1_500;
const CONNECTS: u32 = 60;
const IDLE: usize = 32;

const WITH_DAEMON: &str = "D-Bus: connect to dbus-daemon, Hello";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        // zbus sends queued messages together, and so does a sink of anchovy-dbus.
        Row::new("D-Bus: small signals", "ns per message")
            .peer("zbus, send", theirs::signals)
            .peer("zbus, send_all of 16", theirs::signals_in_batches)
            .baseline(baseline::signals_fed)
            .ours("anchovy-dbus, 16", ours::signals_in_batches)
            .ours("anchovy-dbus, feed", ours::signals_fed)
            .at_most_of_peer(0.125),
        Row::new("D-Bus: small signals, 16 with each send", "ns per message")
            .peer("zbus, send_all of 16", theirs::signals_in_batches)
            .baseline(baseline::signals_in_batches)
            .ours("anchovy-dbus, flush", ours::signals_in_batches),
        Row::new("D-Bus: small signals, one send each", "ns per message")
            .peer("zbus", theirs::signals)
            .peer("zbus, built once", theirs::signals_built_once)
            .baseline(baseline::signals)
            .ours("anchovy-dbus", ours::signals)
            .at_most_of_baseline(1.15)
            .in_readme("D-Bus: small signals, one send each"),
        Row::new("D-Bus: small signals with 1 descriptor", "ns per message")
            .peer("zbus", theirs::signals_with_fd)
            .baseline(baseline::signals_with_fd)
            .ours("anchovy-dbus, feed", ours::signals_with_fd_fed)
            .ours("anchovy-dbus", ours::signals_with_fd)
            .at_most_of_peer(0.769)
            .at_most_of_baseline(1.15),
        Row::new("D-Bus: small signals with 16 descriptors", "ns per message")
            .peer("zbus", theirs::signals_with_many_fds)
            .baseline(baseline::signals_with_many_fds)
            .ours("anchovy-dbus", ours::signals_with_many_fds),
        // The baseline allocates and copies the bytes of the message.
        Row::new("D-Bus: build a small signal", "ns per 100 messages")
            .peer("zbus", messages::build_theirs)
            .baseline(messages::copy)
            .ours("anchovy-dbus", messages::build_ours)
            .at_most_of_baseline(5.0),
        Row::new("D-Bus: parse a small signal", "ns per 100 messages")
            .baseline(messages::copy)
            .ours("anchovy-dbus", messages::parse_ours)
            .at_most_of_baseline(5.0),
        Row::new("D-Bus: write a small signal to memory", "ns per 100 messages")
            .baseline(messages::copy)
            .ours("anchovy-dbus", messages::write_ours),
        Row::new("D-Bus: call and reply", "ns per call")
            .peer("zbus", theirs::calls)
            .baseline(baseline::calls)
            .ours("anchovy-dbus", ours::calls)
            .at_most_of_peer(0.45)
            .in_readme("D-Bus: call and reply"),
        Row::new("D-Bus: connect, both ends", "ns per connection")
            .peer("zbus", theirs::connect)
            .baseline(baseline::connect)
            .ours("anchovy-dbus", ours::connect)
            .at_most_of_peer(1.00),
        Row::new(WITH_DAEMON, "ns per connection")
            .peer("zbus", theirs::connect_to_daemon)
            .baseline(baseline::connect_to_daemon)
            .ours("anchovy-dbus", ours::connect_to_daemon)
            .at_most_of_peer(1.00),
        Row::new(
            "D-Bus: memory of an idle connection",
            "bytes per end that waits for its second message",
        )
        .bytes(Role::Peer, "zbus", theirs::idle)
        .bytes(Role::Baseline, "baseline", baseline::idle)
        .bytes(Role::Ours, "anchovy-dbus", ours::idle)
        .at_most_of_peer(0.50),
    ]
}

static ADDRESS: OnceLock<String> = OnceLock::new();

/// Starts a daemon if a benchmark needs it. Without one, removes these benchmarks.
pub(crate) fn daemon_for(rows: &mut Vec<Row>) -> Option<DbusDaemon> {
    let needs_daemon = |row: &Row| [WITH_DAEMON, spies::DBUS].contains(&&*row.work);
    if !rows.iter().any(needs_daemon) {
        return None;
    }
    let version = Command::new("dbus-daemon").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("skipped {WITH_DAEMON:?} and {:?}: dbus-daemon was not found", spies::DBUS);
        rows.retain(|row| !needs_daemon(row));
        return None;
    }
    let daemon = DbusDaemon::start();
    ADDRESS.set(daemon.address().to_owned()).expect("one daemon");
    Some(daemon)
}

/// Returns the address of the daemon.
pub(crate) fn address() -> &'static str {
    ADDRESS.get().expect("a daemon was started")
}
