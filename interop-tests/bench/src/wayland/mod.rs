//! Wayland messages, compared with wayland-client 0.31.15 and wayland-server 0.31.14 on both of their
//! backends: requests with and without a descriptor, and traffic through a proxy.
//!
//! All contestants do the same in the same order, with both ends in one thread: a client sends a batch,
//! the compositor handles it and answers, and the client handles the answers. anchovy-wayland waits on
//! tokio, and the others wait in their own calls that poll. Each side builds the messages that it
//! sends, knows the interfaces of its objects, and reads what it decodes.

mod libwayland;
mod ours;
mod proxy;
mod theirs;

pub(crate) use libwayland::find;
use theirs::{BATCH, LARGE_BATCH, PAIRS, PLAIN};

use crate::Measure::Time;
use crate::Row;

/// Number of roundtrips in one measure.
const ROUNDTRIPS: u32 = 1_500;

const BESIDE_LIBWAYLAND: &str = "Wayland: create_pool and destroy, beside libwayland";

pub(crate) const ROWS: &[Row] = &[
    Row {
        work: "Wayland: create_pool and destroy",
        unit: "ns per pair, with its delete_id",
        contestants: &[
            ("wayland-rs, Rust", Time(theirs::pools)),
            ("anchovy-wayland", Time(ours::pools)),
        ],
        goal: Some(0.667),
    },
    Row {
        work: BESIDE_LIBWAYLAND,
        unit: "ns per pair, with its delete_id",
        contestants: &[
            ("wayland-rs, libwayland", Time(libwayland::pools)),
            ("anchovy-wayland", Time(ours::pools)),
        ],
        goal: Some(0.40),
    },
    Row {
        work: "Wayland: plain requests of 24 B",
        unit: "ns per request, 20 at once",
        contestants: &[
            ("wayland-rs, Rust", Time(theirs::damage)),
            ("anchovy-wayland", Time(ours::damage)),
        ],
        goal: Some(0.50),
    },
    // Without a goal: a larger batch shares the cost of its system calls.
    Row {
        work: "Wayland: plain requests of 24 B, many at once",
        unit: "ns per request, 160 at once",
        contestants: &[
            ("wayland-rs, Rust", Time(theirs::damage_in_large_batches)),
            ("anchovy-wayland", Time(ours::damage_in_large_batches)),
        ],
        goal: None,
    },
    // The proxy may add at most one and a half times the time without it.
    Row {
        work: "Wayland: roundtrip",
        unit: "ns from sync to done",
        contestants: &[
            ("direct", Time(proxy::roundtrip_direct)),
            ("through a proxy", Time(proxy::roundtrip_through)),
        ],
        goal: Some(2.50),
    },
];
