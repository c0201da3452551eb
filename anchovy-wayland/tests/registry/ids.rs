//! The numbers of a client's objects.

use std::collections::BTreeSet;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{ClientIds, Message, ObjectId, WireErrorKind};
use proptest::prelude::*;

use crate::harness::*;

#[test]
fn the_first_number_is_2_and_there_is_no_gap() {
    let mut ids = ClientIds::new();
    let taken: Vec<u32> = (0..5).map(|_| ids.take().unwrap().get()).collect();
    assert_eq!(taken, [2, 3, 4, 5, 6]);
}

#[test]
fn the_smallest_free_number_is_given_first() {
    let mut ids = ClientIds::new();
    (0..5).for_each(|_| _ = ids.take());
    assert!(ids.free(id(5)) && ids.free(id(3)));
    let taken: Vec<u32> = (0..3).map(|_| ids.take().unwrap().get()).collect();
    assert_eq!(taken, [3, 5, 7]);
}

#[test]
fn a_number_that_is_not_taken_cannot_be_made_free() {
    let mut ids = ClientIds::new();
    let first = ids.take().unwrap();
    assert!(!ids.free(ObjectId::DISPLAY));
    assert!(!ids.free(id(3)));
    assert!(!ids.free(ObjectId::FIRST_OF_SERVER));
    assert!(ids.free(first));
    assert!(!ids.free(first));
    assert_eq!((ids.take(), ids.take()), (Some(id(2)), Some(id(3))));
}

#[test]
fn only_delete_id_of_the_display_makes_a_number_free() {
    let mut ids = ClientIds::new();
    let _ = ids.take();
    for other in [done(2), global_remove(2, 2), Message::builder(id(1), 0).uint(2).build().unwrap()]
    {
        assert_eq!(ids.update(&other).unwrap(), None);
    }
    assert!(ids.is_taken(id(2)));
    assert_eq!(ids.update(&delete_id(2)).unwrap(), Some(id(2)));
    assert!(!ids.is_taken(id(2)));
}

#[test]
fn a_delete_id_of_what_is_not_taken_is_passed_over() {
    let mut ids = ClientIds::new();
    let _ = ids.take();
    for number in [0, 1, 3, 0xff00_0000, u32::MAX] {
        assert_eq!(ids.update(&delete_id(number)).unwrap(), None);
    }
    assert_eq!(ids.take(), Some(id(3)));
}

#[test]
fn a_malformed_delete_id_is_an_error() {
    let mut ids = ClientIds::new();
    let build = || Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID);
    let short = ids.update(&build().build().unwrap()).unwrap_err();
    assert_eq!(short.kind, WireErrorKind::EndsEarly { needed: 4, left: 0 });
    let long = ids.update(&build().uint(2).uint(3).build().unwrap()).unwrap_err();
    assert_eq!((long.object, long.opcode), (1, 1));
    assert_eq!(long.kind, WireErrorKind::TrailingBytes { bytes: 4 });
}

proptest! {
    /// Against a model: what is given is the smallest free number, and never one that is taken.
    #[test]
    fn numbers_are_dense_and_unique(steps in prop::collection::vec(prop::option::of(0u32..40), 0..200)) {
        let mut ids = ClientIds::new();
        let mut taken = BTreeSet::new();
        for step in steps {
            match step {
                None => {
                    let given = ids.take().unwrap().get();
                    let smallest = (2..).find(|number| !taken.contains(number)).unwrap();
                    prop_assert_eq!(given, smallest);
                    taken.insert(given);
                }
                Some(number) => {
                    let freed = ObjectId::new(number).is_some_and(|id| ids.free(id));
                    prop_assert_eq!(freed, taken.remove(&number));
                }
            }
            for number in 1..45 {
                prop_assert_eq!(ids.is_taken(id(number)), taken.contains(&number));
            }
        }
    }
}
