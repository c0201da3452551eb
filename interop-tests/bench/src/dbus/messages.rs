//! Building and parsing a message, without a socket.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use anchovy_dbus::Message;
use bytes::Bytes;

use super::{ours, theirs};

const MESSAGES: u32 = 10_000;

/// Returns the time of 100 messages.
fn measure(mut work: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    for number in 0..MESSAGES {
        work(number);
    }
    start.elapsed() / (MESSAGES / 100)
}

fn with_serial() -> Message {
    let mut signal = ours::signal(0);
    signal.set_serial(NonZeroU32::MIN);
    signal
}

/// A signal as it is sent.
fn signal() -> Bytes {
    with_serial().to_bytes().expect("it has a serial")
}

pub(super) fn build_ours() -> Duration {
    measure(|number| {
        black_box(ours::signal(number));
    })
}

pub(super) fn build_theirs() -> Duration {
    measure(|number| {
        black_box(theirs::signal(number));
    })
}

/// Checks everything that the specification requires.
pub(super) fn parse_ours() -> Duration {
    let signal = signal();
    measure(|_| {
        let parsed = Message::from_bytes(signal.clone(), Vec::new());
        black_box(parsed.expect("a good signal"));
    })
}

pub(super) fn write_ours() -> Duration {
    let signal = with_serial();
    measure(|_| {
        black_box(black_box(&signal).to_bytes().expect("it has a serial"));
    })
}

/// Allocates the bytes of the message and copies them.
pub(super) fn copy() -> Duration {
    let signal = signal();
    measure(|_| {
        black_box(black_box(&signal).to_vec());
    })
}
