//! Honest ends: whatever is sent arrives as it was sent, however it is cut.

use super::*;

#[test]
fn cve_2014_3533_each_item_has_exactly_its_own_descriptors_in_every_split() {
    arrive_in_every_split(&[("a", 3), ("b", 2), ("c", 1)]);
}

#[test]
fn plain_items_around_those_with_descriptors_take_none_in_any_split() {
    arrive_in_every_split(&[("", 0), ("", 1), ("", 0), ("", 2)]);
}

#[test]
fn descriptors_stay_with_their_item_however_little_the_kernel_takes_at_a_time() {
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
fn long_exchanges_arrive_as_they_were_sent_however_they_are_cut() {
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
fn descriptors_may_come_with_any_byte_of_their_item() {
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
