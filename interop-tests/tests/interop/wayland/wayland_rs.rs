//! The crates wayland-client and wayland-server, with the backend that this program is built with:
//! their own, or libwayland.

mod their_client;
mod their_compositor;

use std::os::unix::net::UnixStream;

use interop_tests::Scenario;

use super::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("our_client_sees_its_globals", |transcript| {
        client::sees_globals(compositor, transcript);
    }),
    Scenario::new("our_pools_come_to_its_compositor_with_their_files", |transcript| {
        client::makes_pools(compositor, transcript);
    }),
    Scenario::new("keymaps_of_its_compositor_come_to_us_with_their_files", |transcript| {
        client::gets_keymaps(compositor, transcript);
    }),
    Scenario::new("its_client_sees_our_globals", |transcript| {
        compositor::shows_globals(client, transcript);
    }),
    Scenario::new("pools_of_its_client_come_to_us_with_their_files", |transcript| {
        compositor::takes_pools(client, transcript);
    }),
    Scenario::new("our_keymaps_come_to_its_client_with_their_files", |transcript| {
        compositor::gives_keymaps(client, transcript);
    }),
];

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

/// Sees that the backend was the one that this program is built with: only that has the library.
fn see_backend(library: &str) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a mounted /proc");
    assert_eq!(maps.contains(library), cfg!(feature = "libwayland"), "{library} is loaded");
}
