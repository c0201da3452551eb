//! The memory that buffers keep.

use bytes::{BufMut, Bytes, BytesMut};

use super::texts::{Error, HEADER, Text, Texts};
use crate::codec::decoder::Decoder;
use crate::codec::inbound::Inbound;
use crate::codec::memory_charge::KEPT;
use crate::codec::outbound::Outbound;
use crate::codec::policy::{Placement, ReadPolicy};
use crate::codec::read_buffer::ReadBuffer;
use crate::codec::read_progress::ReadProgress;
use crate::codec::received_fds::ReceivedFds;

/// Four bytes of length, and a payload that shares the memory of the buffer.
struct Longs;

impl Decoder for Longs {
    type Item = Bytes;
    type Error = std::convert::Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        _: &mut ReceivedFds<'_>,
    ) -> Result<Option<Bytes>, Error> {
        let Some(header) = bytes.first_chunk() else { return Ok(None) };
        let length = 4 + u32::from_be_bytes(*header) as usize;
        Ok((bytes.len() >= length).then(|| bytes.split_to(length).freeze()))
    }
}

fn long(length: usize) -> Vec<u8> {
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    bytes.resize(4 + length, 7);
    bytes
}

/// Receives these bytes in parts, and returns the frames.
fn receive(inbound: &mut Inbound, bytes: &[u8]) -> Vec<Bytes> {
    let policy = ReadPolicy::default();
    let mut frames = Vec::new();
    for part in bytes.chunks(100_000) {
        inbound.buffer.reserve(part.len());
        inbound.buffer.bytes.extend_from_slice(part);
        inbound.received(part.len(), std::iter::empty(), None, None);
        while let Some(frame) = inbound.decode(&mut Longs, &policy, &mut None).unwrap() {
            frames.push(frame);
        }
    }
    frames
}

/// Returns whether only these bytes use their memory, which is then freed with them.
fn is_alone(frame: Bytes) -> bool {
    frame.is_unique()
}

#[test]
fn memory_of_a_long_frame_goes_with_the_frame() {
    for length in [300_000, 1 << 20, 8 << 20] {
        let mut inbound = Inbound::default();
        let frames = receive(&mut inbound, &long(length));
        assert_eq!(frames.len(), 1);
        // Memory that is kept for the next frame is freed when there is none.
        assert!(inbound.buffer.allocated() <= 2 << 20);
        inbound.buffer.wait(KEPT);
        assert_eq!((inbound.buffer.allocated(), inbound.buffer.bytes.capacity()), (0, 0));
        assert!(frames.into_iter().all(is_alone));
    }
}

#[test]
fn memory_is_used_again_for_long_frames_that_follow_each_other() {
    let mut inbound = Inbound::default();
    receive(&mut inbound, &long(300_000));
    let end = inbound.buffer.bytes.as_ptr_range().end as usize;
    let (allocated, rest) = (inbound.buffer.allocated(), inbound.buffer.bytes.capacity());
    for _ in 0..10 {
        // The end of one comes with the beginning of the next.
        receive(&mut inbound, &[&long(300_000)[..], &long(200_000)[..90_000]].concat());
        receive(&mut inbound, &long(200_000)[90_000..]);
        assert_eq!(inbound.buffer.allocated(), allocated);
    }
    inbound.buffer.bytes.reserve(rest);
    let used = inbound.buffer.bytes.as_ptr_range().end as usize + inbound.buffer.bytes.capacity();
    assert_eq!(used, end + rest);
}

#[test]
fn a_short_frame_after_a_long_one_does_not_share_its_memory() {
    for length in [300_000, 1 << 20, 8 << 20] {
        for pause in [false, true] {
            let mut inbound = Inbound::default();
            let mut frames = receive(&mut inbound, &[&long(length)[..], &long(64)[..5]].concat());
            if pause {
                inbound.buffer.wait(KEPT);
                assert!(inbound.buffer.allocated() <= 8 << 10);
            }
            // The beginning of a third one is moved with it.
            frames.extend(receive(&mut inbound, &[&long(64)[5..], &long(100)[..50]].concat()));
            assert_eq!(frames[1], long(64));
            assert!(inbound.buffer.allocated() <= 8 << 10);
            assert!(is_alone(frames.swap_remove(0)));
            assert_eq!(receive(&mut inbound, &long(100)[50..]), [long(100)]);
        }
    }
}

#[test]
fn single_bytes_after_a_long_frame_are_copied_once() {
    let mut inbound = Inbound::default();
    receive(&mut inbound, &[&long(300_000)[..], &long(90_000)[..30_000]].concat());
    let policy = ReadPolicy::default();
    let mut moves = 0;
    for byte in &long(90_000)[30_000..] {
        let before = inbound.buffer.bytes.as_ptr();
        inbound.buffer.wait(KEPT);
        moves += usize::from(inbound.buffer.bytes.as_ptr() != before);
        inbound.buffer.reserve(1);
        inbound.buffer.bytes.put_u8(*byte);
        let frame = inbound.decode(&mut Longs, &policy, &mut None).unwrap();
        assert_eq!(frame.is_some(), inbound.buffer.bytes.is_empty());
    }
    assert_eq!(moves, 1);
}

#[test]
fn memory_that_a_decoder_reserves_is_freed_too() {
    /// Reserves room for a frame once its length is known, as codecs of tokio-util do.
    struct Reserving;

    impl Decoder for Reserving {
        type Item = Bytes;
        type Error = std::convert::Infallible;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<Bytes>, Error> {
            let frame = Longs.decode(bytes, fds)?;
            if frame.is_none() {
                bytes.reserve(1 << 20);
            }
            Ok(frame)
        }
    }

    let (mut inbound, policy) = (Inbound::default(), ReadPolicy::default());
    inbound.buffer.bytes.extend_from_slice(&long(10)[..6]);
    assert!(inbound.decode(&mut Reserving, &policy, &mut None).unwrap().is_none());
    inbound.buffer.bytes.extend_from_slice(&long(10)[6..]);
    assert_eq!(inbound.decode(&mut Reserving, &policy, &mut None).unwrap().unwrap(), long(10));
    assert!(inbound.buffer.allocated() <= 8 << 10);
}

#[test]
fn frames_of_a_large_buffer_that_others_filled_are_copied_once_at_most() {
    let bytes = BytesMut::from(&long(100).repeat(100_000)[..]);
    let mut inbound = Inbound::from_parts(bytes, Vec::new(), None, &ReadProgress::default());
    let policy = ReadPolicy::default();
    let (mut moves, mut count) = (0, 0);
    let mut end = inbound.buffer.bytes.as_ptr_range().end;
    while inbound.decode(&mut Longs, &policy, &mut None).unwrap().is_some() {
        count += 1;
        moves += usize::from(inbound.buffer.bytes.as_ptr_range().end != end);
        end = inbound.buffer.bytes.as_ptr_range().end;
    }
    assert_eq!((count, moves), (100_000, 1));
}

#[test]
fn the_size_of_the_memory_is_known_however_it_is_shared() {
    let mut inbound = Inbound::default();
    let mut kept = Vec::new();
    for round in 0..2_000_usize {
        // Frames of all sizes, of which some are kept, and whose ends come with the next.
        let mut bytes = long(round * 7919 % 40_000);
        bytes.extend_from_slice(&long(9)[..round % 13]);
        kept.extend(receive(&mut inbound, &bytes).into_iter().filter(|_| round % 3 == 0));
        kept.extend(receive(&mut inbound, &long(9)[round % 13..]));
        kept.truncate(50);
        let (allocated, capacity) = (inbound.buffer.allocated(), inbound.buffer.bytes.capacity());
        assert!((capacity..=KEPT).contains(&allocated), "{capacity} of {allocated}");
        // It can be used again once no frame shares it and it is empty, if it was not taken for as large
        // as it was together with what had been decoded before it.
        if round % 100 == 99 {
            kept.clear();
            inbound.buffer.bytes.clear();
            let bytes = &mut inbound.buffer.bytes;
            let size = (0..=allocated).rev().find(|size| bytes.try_reclaim(*size)).unwrap();
            assert!(2 * size >= allocated, "{size} of {allocated}");
        }
    }
}

/// A buffer of this capacity with this number of bytes.
fn buffer(length: usize, capacity: usize) -> ReadBuffer {
    let mut bytes = BytesMut::with_capacity(capacity);
    bytes.resize(length, 7);
    ReadBuffer::new(bytes)
}

#[test]
fn the_size_of_the_memory_is_known_before_it_grows() {
    let mut buffer = buffer(1000, 1000);
    assert_eq!(buffer.size_with(50), 2000, "it is doubled");
    assert_eq!(buffer.size_with(5000), 6000, "more is needed");
    let _decoded = buffer.bytes.split_to(400);
    assert_eq!(buffer.size_with(5000), 6000, "decoded bytes stay");
}

#[test]
fn memory_of_decoded_bytes_is_used_again() {
    let mut buffer = buffer(1000, 1000);
    drop(buffer.bytes.split_to(900));
    assert!(buffer.try_reclaim(800));
    assert_eq!(buffer.bytes.capacity(), 1000);
}

#[test]
fn memory_is_large_if_it_is_more_than_an_empty_buffer_keeps() {
    assert!(!buffer(0, KEPT).begin_decode());
    assert!(buffer(0, KEPT + 1).begin_decode());
}

#[test]
fn two_mebibytes_are_used_again_for_the_next_frame() {
    let mut buffer = buffer(0, 2 << 20);
    buffer.decoded();
    assert_eq!(buffer.allocated(), 2 << 20);
}

#[test]
fn memory_of_which_an_eighth_is_in_use_is_kept() {
    let mut buffer = buffer(100_000, 800_000);
    buffer.wait(KEPT);
    assert_eq!(buffer.allocated(), 800_000);
}

#[test]
fn memory_that_an_empty_buffer_may_keep_is_kept() {
    let mut buffer = buffer(0, KEPT);
    buffer.wait(KEPT);
    assert_eq!(buffer.allocated(), KEPT);
}

#[test]
fn a_long_frame_in_smaller_memory_is_still_decoded_in_place() {
    let mut buffer = buffer(200_000, 4 << 20);
    buffer.not_decoded(200_000);
    buffer.wait(KEPT);
    buffer.reserve(200_000);
    let place = buffer.bytes.as_ptr();
    assert!(buffer.begin_decode());
    assert_eq!(buffer.bytes.as_ptr(), place);
}

#[test]
fn bytes_that_a_decoder_removes_early_from_large_memory_stay_removed() {
    /// Removes the length of a frame before the rest has arrived.
    struct Early;

    impl Decoder for Early {
        type Item = Bytes;
        type Error = std::convert::Infallible;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            _: &mut ReceivedFds<'_>,
        ) -> Result<Option<Bytes>, Error> {
            drop(bytes.split_to(4));
            Ok(None)
        }
    }

    let mut inbound = Inbound::default();
    inbound.buffer = buffer(6, KEPT + 1);
    let decoded = inbound.decode(&mut Early, &ReadPolicy::default(), &mut None).unwrap();
    assert_eq!((decoded, inbound.buffer.bytes.len(), inbound.taken()), (None, 2, 4));
}

/// Unsent bytes of this length in a buffer of this capacity.
fn unsent(length: usize, capacity: usize) -> Outbound {
    let mut bytes = BytesMut::with_capacity(capacity);
    bytes.resize(length, 7);
    Outbound::from_parts(bytes, Vec::new())
}

/// Sends this number of bytes, and returns the capacity of the buffer.
fn capacity_after(mut outbound: Outbound, bytes: usize) -> usize {
    send(&mut outbound, bytes);
    outbound.memory().0
}

#[test]
fn the_start_of_a_buffer_moves_when_more_than_half_has_left() {
    assert_eq!(capacity_after(unsent(10_000, 16_000), 5_000), 16_000);
    assert_eq!(capacity_after(unsent(10_000, 16_000), 5_001), 16_000 - 5_001);
}

#[test]
fn the_start_of_a_buffer_does_not_move_by_4_kib_or_less() {
    assert_eq!(capacity_after(unsent(6_000, 8_000), 4_096), 8_000);
}

#[test]
fn bytes_are_moved_only_out_of_memory_that_no_empty_buffer_keeps() {
    assert_eq!(capacity_after(unsent(10_000, KEPT), 6_000), KEPT - 6_000);
}

#[test]
fn bytes_move_out_of_large_memory_as_soon_as_they_fit_into_small_memory() {
    assert_eq!(capacity_after(unsent(300_000, 1 << 20), 200_000), 100_000);
    assert_eq!(capacity_after(unsent(700_000, 1 << 20), 400_000), (1 << 20) - 400_000);
}

#[test]
fn a_write_buffer_has_memory_if_it_is_more_than_may_be_kept() {
    assert!(!unsent(0, KEPT).has_memory(KEPT));
    assert!(unsent(0, KEPT).has_memory(KEPT - 1));
}

#[test]
fn a_payload_of_4_kib_is_sent_without_a_copy() {
    let chunks = |length| {
        let mut outbound = Outbound::default();
        push(&mut outbound, length);
        outbound.memory().1
    };
    assert_eq!(chunks(4_095), 0);
    assert_ne!(chunks(4_096), 0);
}

fn push(outbound: &mut Outbound, length: usize) {
    let text = Text { payload: vec![7; length].into(), fds: vec![] };
    outbound.push(&mut Texts, text, |_| Ok(())).unwrap();
}

fn send(outbound: &mut Outbound, most: usize) -> bool {
    let Some(mut call) = outbound.next(Placement::Alone, 0) else { return false };
    call.bytes = call.bytes.min(most);
    outbound.sent(call, call.bytes);
    true
}

#[test]
fn memory_of_long_frames_that_have_left_is_freed() {
    let mut outbound = Outbound::default();
    let many = vec![1000; 300];
    for lengths in [
        many.repeat(2),
        // The rest of the buffer, which shares the memory of the frames before it, is less.
        [&many[..], &[5000, 10]].concat(),
        // The payloads have been sent, and the list of them is long.
        vec![4 << 10; 20_000],
    ] {
        lengths.iter().for_each(|length| push(&mut outbound, *length));
        while send(&mut outbound, usize::MAX) {}
        outbound.release_memory(KEPT);
        let (tail, chunks) = outbound.memory();
        assert!(tail.max(chunks) < 1024, "{tail} and {chunks} after {} frames", lengths.len());
    }
    // Smaller memory is kept.
    (0..50).for_each(|_| push(&mut outbound, 1000));
    while send(&mut outbound, 70_000) {}
    outbound.release_memory(KEPT);
    assert!((50_000..=KEPT).contains(&outbound.memory().0));
}

#[test]
fn a_few_unsent_bytes_do_not_keep_large_memory() {
    let mut outbound = Outbound::default();
    (0..600).for_each(|_| push(&mut outbound, 1000));
    assert!(outbound.memory().0 > 2 * KEPT);
    while outbound.len() > 10_000 {
        send(&mut outbound, 5000);
    }
    push(&mut outbound, 1);
    assert!(outbound.len() > 1 + HEADER);
    assert!(outbound.memory().0 <= KEPT, "{:?}", outbound.memory());
}

#[test]
fn bytes_that_move_out_of_large_memory_leave_unchanged() {
    let (mut outbound, mut expected, mut sent) = (Outbound::default(), Vec::new(), Vec::new());
    for number in 0..2000_usize {
        let payload = vec![number as u8; number % 1500];
        expected.put_u16(payload.len() as u16);
        expected.put_u8(0);
        expected.extend_from_slice(&payload);
        outbound
            .push(&mut Texts, Text { payload: payload.into(), fds: vec![] }, |_| Ok(()))
            .unwrap();
    }
    while let Some(mut call) = outbound.next(Placement::Alone, 0) {
        call.bytes = call.bytes.min(9_999);
        sent.extend_from_slice(&outbound.slice(call.bytes).unwrap());
        outbound.sent(call, call.bytes);
    }
    assert!(sent == expected);
}
