//! Messages and bytes for the tests of this directory.

use std::fs::File;
use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::body::Body;
use super::message::Message;
use super::message_builder::MessageBuilder;
use super::object_id::ObjectId;

pub(super) fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

pub(super) fn builder() -> MessageBuilder {
    Message::builder(id(7), 3)
}

pub(super) fn received(arguments: &[u8]) -> Message {
    Message::received(id(7), 3, Body::new(Bytes::copy_from_slice(arguments)), Vec::new())
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A length, and bytes.
pub(super) fn sized(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&length.to_ne_bytes(), bytes].concat()
}

pub(super) fn null() -> OwnedFd {
    File::open("/dev/null").expect("there is one").into()
}
