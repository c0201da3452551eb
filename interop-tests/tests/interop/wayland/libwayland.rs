//! libwayland in separate processes: its client library and its server library.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use interop_tests::{Program, Scenario};

use super::*;
use crate::dbus::Script;

pub(crate) const SCENARIOS: &[Scenario] = scenarios!(
    compositor,
    client,
    Scenario::new("pools_pass_through_a_copy_with_their_files", |transcript| {
        copied::passes_pools(compositor, client, transcript);
    }),
    Scenario::new("keymaps_pass_through_a_copy_with_their_files", |transcript| {
        copied::passes_keymaps(compositor, client, transcript);
    }),
);

async fn compositor(socket: UnixStream, keymaps: usize) -> Seen {
    script("libwayland_compositor.py", socket, &[&keymaps.to_string()]).await
}

async fn client(socket: UnixStream, ask: Ask) -> Seen {
    match ask {
        Ask::Globals => script("libwayland_client.py", socket, &["globals"]).await,
        Ask::Pools(count) => {
            script("libwayland_client.py", socket, &["pools", &count.to_string()]).await
        }
        Ask::Keymaps => script("libwayland_client.py", socket, &["keymaps"]).await,
    }
}

/// Runs a script, and returns what it reports at the end of its socket.
async fn script(name: &'static str, socket: UnixStream, arguments: &[&str]) -> Seen {
    let mut command = Script(name).command();
    command.args(arguments).stdin(OwnedFd::from(socket));
    let mut program = Program::start(&mut command);
    // The command has a copy of the socket, which would keep it open.
    drop(command);
    let mut seen = Seen::default();
    for line in program.ended().await {
        let words: Vec<_> = line.split(' ').collect();
        let [what, first, second] = words[..] else { panic!("{line}") };
        let number = |word: &str| word.parse().expect("a number");
        match what {
            "global" => {
                seen.globals.push((first.to_owned(), second.parse().expect("a version")));
            }
            "pool" => seen.pools.push((number(first), number(second))),
            "keymap" => seen.keymaps.push((number(first), number(second))),
            _ => panic!("{line}"),
        }
    }
    seen
}
