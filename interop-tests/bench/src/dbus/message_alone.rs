//! Messages without a connection, beside allocating and copying the bytes of the message.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use anchovy_dbus::Message;
use bytes::Bytes;

use super::ours::signal;
use crate::row::Row;

const UNIT: &str = "ns per 1,000 messages";

/// Number of times that 1,000 messages are measured together.
const THOUSANDS: u32 = 10;

pub(super) fn rows() -> [Row; 3] {
    [
        Row::new("D-Bus: build a signal of 108 bytes", UNIT)
            .baseline(copy)
            .ours("build", build)
            .at_most_of_baseline(5.0),
        Row::new("D-Bus: parse a signal of 108 bytes", UNIT)
            .baseline(copy)
            .ours("from_bytes", from_bytes)
            .at_most_of_baseline(5.0),
        Row::new("D-Bus: write a signal of 108 bytes", UNIT)
            .baseline(copy)
            .ours("to_bytes", to_bytes),
    ]
}

/// Returns a signal with a serial.
fn sent() -> Message {
    let mut signal = signal(7);
    signal.set_serial(NonZeroU32::MIN);
    signal
}

fn bytes() -> Bytes {
    let bytes = sent().to_bytes().expect("it has a serial");
    assert_eq!(bytes.len(), 108);
    bytes
}

/// Measures the time of 1,000 operations.
fn thousand<T>(mut operation: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..THOUSANDS * 1000 {
        black_box(operation());
    }
    start.elapsed() / THOUSANDS
}

fn copy() -> Duration {
    let bytes = bytes();
    thousand(|| Bytes::copy_from_slice(black_box(&bytes)))
}

fn build() -> Duration {
    thousand(|| signal(black_box(7)))
}

fn from_bytes() -> Duration {
    let bytes = bytes();
    thousand(|| {
        let bytes = black_box(&bytes).clone();
        Message::from_bytes(bytes, Vec::new()).expect("a good signal")
    })
}

fn to_bytes() -> Duration {
    let signal = sent();
    thousand(|| black_box(&signal).to_bytes().expect("it has a serial"))
}
