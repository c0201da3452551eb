//! The crates wayland-client and wayland-server, with the backend of this build: their own, or
//! libwayland.

mod their_client;
mod their_compositor;

use std::os::unix::net::UnixStream;

use interop_tests::Scenario;

use super::*;

pub(crate) const SCENARIOS: &[Scenario] = scenarios!(compositor, client);

async fn compositor(socket: UnixStream, keymaps: usize) -> Seen {
    let theirs = tokio::task::spawn_blocking(move || their_compositor::serve(socket, keymaps));
    let seen = theirs.await.expect("it ends with its client");
    see_backend("libwayland-server");
    seen
}

async fn client(socket: UnixStream, ask: Ask) -> Seen {
    let theirs = tokio::task::spawn_blocking(move || their_client::ask(socket, ask));
    let seen = theirs.await.expect("it ends");
    see_backend("libwayland-client");
    seen
}

/// Checks that the backend is that of this build, by whether the library is loaded.
fn see_backend(library: &str) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a mounted /proc");
    assert_eq!(maps.contains(library), cfg!(feature = "libwayland"), "{library} is loaded");
}
