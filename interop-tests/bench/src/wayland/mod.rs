//! Wayland messages, compared with wayland-client 0.31.15 and wayland-server 0.31.14 on both of their
//! backends: requests with and without a descriptor, and traffic through a proxy.
//!
//! All contestants do the same in the same order, with both ends in one thread: a client sends a batch,
//! the compositor handles it and answers, and the client handles the answers. anchovy-wayland waits on
//! tokio, and the others wait in their own calls that poll. Each side builds the messages that it
//! sends, knows the interfaces of its objects, and reads what it decodes.

mod baseline;
mod libwayland;
mod ours;
mod proxy;
mod theirs;

pub(crate) use libwayland::find;
pub(crate) use proxy::{answer, client_roundtrips};
use theirs::{BATCH, LARGE_BATCH, PAIRS, PLAIN};

use crate::row::Row;

/// Number of roundtrips in one measure.
const ROUNDTRIPS: u32 = 1_500;

const BESIDE_LIBWAYLAND: &str = "Wayland: create_pool and destroy, beside libwayland";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("Wayland: create_pool and destroy", "ns per pair, with its delete_id")
            .peer("wayland-rs, Rust", theirs::pools)
            .baseline(baseline::pools)
            .ours("anchovy-wayland", ours::pools)
            .at_most_of_baseline(1.25)
            .in_readme("Wayland: `create_pool` and `destroy`"),
        Row::new(BESIDE_LIBWAYLAND, "ns per pair, with its delete_id")
            .peer("wayland-rs, libwayland", libwayland::pools)
            .baseline(baseline::pools)
            .ours("anchovy-wayland", ours::pools)
            .at_most_of_baseline(1.25),
        Row::new("Wayland: plain requests of 24 B", "ns per request, 20 at once")
            .peer("wayland-rs, Rust", theirs::damage)
            .baseline(baseline::damage)
            .ours("anchovy-wayland", ours::damage)
            .at_most_of_peer(0.25),
        Row::new("Wayland: plain requests of 24 B, many at once", "ns per request, 160 at once")
            .peer("wayland-rs, Rust", theirs::damage_in_large_batches)
            .baseline(baseline::damage_in_large_batches)
            .ours("anchovy-wayland", ours::damage_in_large_batches)
            .at_most_of_peer(0.20),
        Row::new("Wayland: roundtrip", "ns from sync to done")
            .peer("direct", proxy::roundtrip_direct)
            .baseline(baseline::roundtrip_proxied)
            .ours("proxied", proxy::roundtrip_through)
            .at_most_of_peer(2.05),
    ]
}
