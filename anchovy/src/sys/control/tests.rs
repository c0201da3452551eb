//! Tests against the macros of the C library, which walk the same bytes.

use std::mem;

use libc::msghdr;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// A message as a list: level, type and ints.
type Listed = (c_int, c_int, Vec<c_int>);

fn listed(bytes: &[u8]) -> Vec<Listed> {
    let messages = ControlMessages::from_bytes(bytes);
    messages.map(|ControlMessage { level, kind, ints }| (level, kind, ints.collect())).collect()
}

/// Lists the messages as a program in C does, with data as far as it lies within the bytes.
fn listed_by_libc(bytes: &[u8]) -> Vec<Listed> {
    // The macros require an aligned buffer.
    let mut buffer = vec![0_u64; bytes.len().div_ceil(8) + 1];
    let start = buffer.as_mut_ptr().cast::<u8>();
    // SAFETY: the buffer is at least as long as the bytes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    // SAFETY: zero is a valid value of every field.
    let mut message: msghdr = unsafe { mem::zeroed() };
    message.msg_control = start.cast();
    message.msg_controllen = bytes.len();
    let end = start as usize + bytes.len();

    let mut list = Vec::new();
    // SAFETY: `message` describes the buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !next.is_null() {
        // SAFETY: the macros return headers within the buffer.
        let header = unsafe { ptr::read(next) };
        // SAFETY: this computes an address.
        let data = unsafe { libc::CMSG_DATA(next) };
        let Some(length) = header.cmsg_len.checked_sub(size_of::<cmsghdr>()) else { break };
        let length = length.min(end.saturating_sub(data as usize));
        let ints = (0..length / size_of::<c_int>()).map(|index| {
            // SAFETY: the data up to `length` lies within the buffer.
            unsafe { ptr::read_unaligned(data.cast::<c_int>().wrapping_add(index)) }
        });
        list.push((header.cmsg_level, header.cmsg_type, ints.collect()));
        // A length near the maximum overflows in the macro.
        if length < header.cmsg_len - size_of::<cmsghdr>() {
            break;
        }
        // SAFETY: `next` is a header within the buffer.
        next = unsafe { libc::CMSG_NXTHDR(&message, next) };
    }
    list
}

/// The bytes of messages whose headers claim `more` bytes than their data has.
fn written(messages: &[(c_int, c_int, Vec<u8>, i8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (level, kind, data, more) in messages {
        let length = (HEADER + data.len()).saturating_add_signed((*more).into());
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&level.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0xff);
    }
    bytes
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 10 } else { 2048 },
        rng_seed: RngSeed::Fixed(0xc0_4712),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn messages_are_parsed_as_the_macros_of_libc_do(
        messages in vec((0..3_i32, 0..5_i32, vec(any::<u8>(), 0..40), prop_oneof![
            4 => Just(0), 1 => any::<i8>(),
        ]), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = written(&messages);
        prop_assert_eq!(listed(&bytes), listed_by_libc(&bytes));
        let bytes = &bytes[..cut.index(bytes.len() + 1)];
        prop_assert_eq!(listed(bytes), listed_by_libc(bytes));
    }

    #[test]
    fn any_bytes_are_parsed_as_the_macros_of_libc_do(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(listed(&bytes), listed_by_libc(&bytes));
    }
}

#[test]
fn a_length_below_that_of_a_header_ends_the_messages() {
    let bytes = written(&[(1, 1, vec![0; 4], -5), (1, 1, vec![0; 4], 0)]);
    assert_eq!(listed(&bytes), []);
}

#[test]
fn the_highest_length_ends_with_the_buffer() {
    let mut bytes = written(&[(1, 2, vec![7, 0, 0, 0, 9], 0)]);
    bytes[..size_of::<usize>()].fill(0xff);
    bytes.truncate(HEADER + 5);
    assert_eq!(listed(&bytes), [(1, 2, vec![c_int::from_ne_bytes([7, 0, 0, 0])])]);
}
