use proptest::prelude::*;

use super::*;

/// Takes a slot, which is to be free.
fn take_free(slots: &mut HandshakeSlots<u32>, uid: u32, value: u32) -> Slot {
    match slots.take(uid, value) {
        Taken::Free(slot) => slot,
        other => panic!("{other:?}"),
    }
}

/// Takes a slot, and returns the value of its previous holder.
fn displace(slots: &mut HandshakeSlots<u32>, uid: u32, value: u32) -> Option<u32> {
    match slots.take(uid, value) {
        Taken::Free(slot) => panic!("{slot:?} is free"),
        Taken::From(displaced, _) => Some(displaced),
        Taken::Refused => None,
    }
}

#[test]
fn one_user_may_have_all_slots_and_no_more() {
    let mut slots = HandshakeSlots::new(3);
    let first = take_free(&mut slots, 1, 10);
    take_free(&mut slots, 1, 11);
    take_free(&mut slots, 1, 12);
    assert_eq!(displace(&mut slots, 1, 13), None);
    assert_eq!(slots.release(first), Some(10));
    assert_eq!(slots.release(first), None, "it is free already");
    take_free(&mut slots, 1, 13);
}

#[test]
fn a_user_with_fewer_slots_gets_the_oldest_of_the_greediest() {
    let mut slots = HandshakeSlots::new(4);
    let first = take_free(&mut slots, 1, 10);
    for value in 11..14 {
        take_free(&mut slots, 1, value);
    }
    assert_eq!(displace(&mut slots, 2, 20), Some(10));
    assert_eq!(slots.release(first), None, "another user has it");
    assert_eq!(displace(&mut slots, 2, 21), Some(11));
    assert_eq!(displace(&mut slots, 2, 22), None, "both have two");
    assert_eq!(displace(&mut slots, 1, 14), None);
    assert_eq!(displace(&mut slots, 3, 30), Some(12), "the oldest of all");
    assert_eq!(displace(&mut slots, 4, 40), Some(20), "only one user has two");
    assert_eq!(displace(&mut slots, 5, 50), Some(13), "the oldest of all");
}

#[test]
fn nothing_is_kept_of_users_that_hold_nothing() {
    let mut slots = HandshakeSlots::new(4);
    let taken: Vec<_> = (0..4).map(|uid| take_free(&mut slots, uid, uid)).collect();
    for slot in taken {
        slots.release(slot).expect("nobody else has it");
    }
    assert!(slots.by_uid.is_empty() && slots.by_greed.is_empty());
    assert_eq!(slots.taken, 0);
}

proptest! {
    /// Compares with a list of all holders in the order in which they came.
    #[test]
    fn slots_are_given_by_the_rule(
        most in 1..12usize,
        steps in prop::collection::vec((any::<bool>(), 0..5u32, any::<prop::sample::Index>()), 0..200),
    ) {
        let mut slots = HandshakeSlots::new(most);
        let mut holders: Vec<(u32, u32, Slot)> = Vec::new();
        for (value, (takes, uid, which)) in (0..).zip(steps) {
            if !takes {
                if !holders.is_empty() {
                    let (_, value, slot) = holders.remove(which.index(holders.len()));
                    prop_assert_eq!(slots.release(slot), Some(value));
                    prop_assert_eq!(slots.release(slot), None);
                }
                continue;
            }
            let held = |uid: u32| holders.iter().filter(|(holder, ..)| *holder == uid).count();
            let own = held(uid);
            let greediest = (0..5).map(held).max().unwrap_or(0);
            match slots.take(uid, value) {
                Taken::Free(slot) => {
                    prop_assert!(holders.len() < most);
                    holders.push((uid, value, slot));
                }
                Taken::From(displaced, slot) => {
                    prop_assert!(holders.len() == most && own < greediest);
                    // The oldest of all whose users hold the most is the oldest of its user, too.
                    let oldest = holders.iter().position(|(user, ..)| held(*user) == greediest);
                    let (_, expected, gone) = holders.remove(oldest.expect("a user holds it"));
                    prop_assert_eq!(displaced, expected);
                    prop_assert_eq!(slots.release(gone), None);
                    holders.push((uid, value, slot));
                }
                Taken::Refused => prop_assert!(holders.len() == most && own == greediest),
            }
            prop_assert!(holders.len() <= most);
            prop_assert_eq!(slots.taken, holders.len());
            prop_assert_eq!(slots.by_uid.values().map(BTreeMap::len).sum::<usize>(), holders.len());
            prop_assert_eq!(slots.by_greed.len(), slots.by_uid.len());
        }
    }
}
