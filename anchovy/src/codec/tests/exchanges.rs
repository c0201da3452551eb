//! Exchanges between two correct ends: frames arrive unchanged, for every way of cutting calls.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::pair::{MOST, PLACEMENTS, Pair, arrive_in_every_split, every_split, receive_all};
use super::texts::{HEADER, Text, bytes_of, known, memfd};
use crate::codec::policy::Placement;

#[test]
fn cve_2014_3533_each_frame_has_its_own_descriptors_in_every_split() {
    arrive_in_every_split(&[("a", 3), ("b", 2), ("c", 1)]);
}

#[test]
fn plain_frames_around_those_with_descriptors_take_none_in_any_split() {
    arrive_in_every_split(&[("", 0), ("", 1), ("", 0), ("", 2)]);
}

#[test]
fn descriptors_stay_with_their_frame_through_partial_sends() {
    for placement in PLACEMENTS {
        for sizes in every_split(3 * HEADER + 4) {
            let mut pair = Pair::new(placement);
            let sent = pair.push_all(&[("ab", 2), ("", 0), ("cd", 1)]);
            for size in sizes.iter() {
                pair.send(*size);
            }
            while pair.send(usize::MAX) {}
            while pair.receive(5).unwrap() {}
            assert_eq!(pair.known(), sent, "{placement:?} {sizes:?}");
            assert!(pair.outbound.is_empty() && pair.inbound.waiting() == 0);
        }
    }
}

#[test]
fn long_exchanges_arrive_unchanged_for_every_way_of_cutting() {
    const SEED: u64 = 0x0000_c0de;
    println!("seed {SEED:#x}");
    for placement in PLACEMENTS {
        let config = ProptestConfig {
            cases: 300,
            rng_seed: RngSeed::Fixed(SEED),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&prop::collection::vec(step(), 1..80), |steps| {
                exchange(placement, steps);
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{placement:?}: {failure}"));
    }
}

#[test]
fn descriptors_may_come_with_any_byte_of_their_frame() {
    let item = bytes_of("abc", 1);
    for at in 0..item.len() {
        for size in 1..=item.len() {
            let mut pair = Pair::new(Placement::Alone);
            pair.kernel.send(&item[..at], vec![]);
            pair.kernel.send(&item[at..], vec![memfd()]);
            receive_all(&mut pair, &[size]).unwrap();
            assert_eq!(pair.received[0].fds.len(), 1);
        }
    }
}

/// One step of a long exchange.
#[derive(Clone, Debug)]
enum Step {
    Push { length: usize, fds: usize },
    Send { most: usize },
    Receive { size: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 0..20usize, 1 => 20..9000usize];
    let fds = prop_oneof![3 => Just(0usize), 3 => 1..5usize, 1 => Just(MOST)];
    let some = || prop_oneof![2 => 1..12usize, 2 => 12..600usize, 2 => Just(usize::MAX)];
    prop_oneof![
        3 => (length, fds).prop_map(|(length, fds)| Step::Push { length, fds }),
        2 => some().prop_map(|most| Step::Send { most }),
        2 => some().prop_map(|size| Step::Receive { size }),
    ]
}

fn exchange(placement: Placement, steps: Vec<Step>) {
    let mut pair = Pair::new(placement);
    let mut sent = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Push { length, fds } => {
                let payload = Bytes::from(vec![number as u8; length]);
                let text = Text { payload, fds: (0..fds).map(|_| memfd()).collect() };
                sent.push(known(&text));
                pair.push(text);
            }
            Step::Send { most } => {
                pair.send(most);
            }
            Step::Receive { size } => {
                pair.receive(size).unwrap();
            }
        }
    }
    while pair.send(usize::MAX) {}
    while pair.receive(4096).unwrap() {}
    assert_eq!(pair.known(), sent);
    assert!(pair.outbound.is_empty() && pair.inbound.waiting() == 0);
}
