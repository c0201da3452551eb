//! Descriptors: as many as the header says, and never lost with a message that is refused.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

use anchovy_dbus::{BuildError, Message, MessageError};

use crate::raw::{ORDERS, Raw, UNIX_FDS};

fn null() -> OwnedFd {
    File::open("/dev/null").expect("a file").into()
}

fn numbers(fds: &[OwnedFd]) -> Vec<i32> {
    fds.iter().map(AsRawFd::as_raw_fd).collect()
}

#[test]
fn a_message_has_its_descriptors_in_order() {
    for order in ORDERS {
        let fds = vec![null(), null()];
        let expected = numbers(&fds);
        let bytes = Raw::call(order).numeric(UNIX_FDS, 2).finish();
        let mut message = Message::from_bytes(bytes, fds).expect("a message");
        assert_eq!(message.header().unix_fds(), 2);
        assert_eq!(numbers(message.fds()), expected);
        assert_eq!(numbers(&message.take_fds()), expected);
    }
}

#[test]
fn more_or_fewer_descriptors_than_declared_are_handed_back() {
    for (declared, present) in [(0, 1), (1, 0), (1, 2), (2, 1), (u32::MAX, 1)] {
        for order in ORDERS {
            let fds: Vec<_> = (0..present).map(|_| null()).collect();
            let expected = numbers(&fds);
            let bytes = Raw::call(order).numeric(UNIX_FDS, declared).finish();
            let BuildError { error, fds } = Message::from_bytes(bytes, fds).unwrap_err();
            assert_eq!(error, MessageError::FdCount { declared, present });
            assert_eq!(numbers(&fds), expected);
        }
    }
}

#[test]
fn descriptors_of_a_message_that_is_not_valid_are_handed_back() {
    let raw = Raw::call(ORDERS[0]).with(|raw| raw.version = 2);
    let refused = Message::from_bytes(raw.finish(), vec![null()]).unwrap_err();
    assert_eq!(refused.fds.len(), 1);
}

#[test]
fn a_message_that_was_built_declares_its_descriptors() {
    let built = Message::method_call("/", "Take").fds(vec![null(), null(), null()]).build();
    let built = built.expect("a message");
    assert_eq!(built.header().unix_fds(), 3);
    assert_eq!(built.fds().len(), 3);
}

#[test]
fn descriptors_of_a_message_that_cannot_be_built_are_handed_back() {
    let refused = Message::method_call("/", "1").fd(null()).build().unwrap_err();
    assert_eq!(refused.fds.len(), 1);
}

#[test]
fn a_message_whose_descriptors_were_taken_is_not_written() {
    let builder = Message::method_call("/", "Take").serial(NonZeroU32::MIN).fd(null());
    let mut message = builder.build().expect("a message");
    assert!(message.to_bytes().is_ok());
    drop(message.take_fds());
    let error = MessageError::FdCount { declared: 1, present: 0 };
    assert_eq!(message.to_bytes(), Err(error));
}

#[test]
fn a_message_that_is_rebuilt_declares_the_descriptors_that_it_is_given() {
    let builder = Message::method_call("/", "Take").fds(vec![null(), null()]);
    let mut message = builder.build().expect("a message");
    let fds = message.take_fds();
    let without = message.rebuild().build().expect("a message");
    assert_eq!(without.header().unix_fds(), 0);
    let with = message.rebuild().fds(fds).build().expect("a message");
    assert_eq!(with.header().unix_fds(), 2);
}

#[test]
fn a_built_message_was_not_cut() {
    let message = Message::method_call("/", "Ping").build().expect("a message");
    assert_eq!(message.truncation(), None);
}
