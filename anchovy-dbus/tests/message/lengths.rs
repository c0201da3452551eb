//! The first sixteen bytes, and how long a message is.

use std::num::NonZeroU32;

use anchovy_dbus::{Flags, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES, Message, MessageError, MessageType};
use bytes::Bytes;

use crate::raw::{ORDERS, Raw, SIGNATURE, read, refused, taken};

#[test]
fn the_shortest_call_is_taken() {
    taken(Raw::call);
}

#[test]
fn the_fixed_part_says_what_the_message_is() {
    for order in ORDERS {
        let raw = Raw::call(order).with(|raw| {
            raw.flags = 0x81;
            raw.serial = 0x0102_0304;
        });
        let message = read(raw).expect("a message");
        let header = message.header();
        assert_eq!(header.byte_order(), order);
        assert_eq!(header.message_type(), MessageType::MethodCall);
        assert_eq!(header.flags(), Flags::from_bits_retain(0x81));
        assert_eq!(header.serial(), NonZeroU32::new(0x0102_0304));
        assert_eq!(message.serial(), NonZeroU32::new(0x0102_0304));
    }
}

#[test]
fn the_first_byte_names_an_order() {
    for first in [0, b'L', b'b', 0xff] {
        refused(MessageError::ByteOrder(first), |order| {
            Raw::call(order).with(|raw| raw.first = first)
        });
    }
}

#[test]
fn the_type_0_is_refused() {
    refused(MessageError::NoType, |order| Raw::call(order).with(|raw| raw.message_type = 0));
}

#[test]
fn unknown_types_are_taken_without_any_field() {
    taken(|order| Raw::new(order, 5));
    taken(|order| Raw::new(order, 255));
}

#[test]
fn only_version_1_is_taken() {
    for version in [0, 2, 255] {
        refused(MessageError::Version(version), |order| {
            Raw::call(order).with(|raw| raw.version = version)
        });
    }
}

#[test]
fn the_serial_0_is_refused() {
    refused(MessageError::NoSerial, |order| Raw::call(order).with(|raw| raw.serial = 0));
}

#[test]
fn fields_that_are_longer_than_an_array_may_be_are_refused() {
    let length = MAX_ARRAY_BYTES as u64 + 1;
    refused(MessageError::FieldsTooLong { length, limit: MAX_ARRAY_BYTES }, |order| {
        Raw::call(order).with(|raw| raw.fields_length = Some(length as u32))
    });
}

#[test]
fn a_message_that_is_longer_than_the_specification_allows_is_refused() {
    // A header of 48 bytes, the padding counted.
    let body = (MAX_MESSAGE_BYTES - 48) as u32;
    refused(
        MessageError::TooLong { length: MAX_MESSAGE_BYTES as u64 + 1, limit: MAX_MESSAGE_BYTES },
        |order| Raw::call(order).with(|raw| raw.body_length = Some(body + 1)),
    );
    // One byte less is only not there.
    refused(MessageError::Length { declared: MAX_MESSAGE_BYTES, length: 48 }, |order| {
        Raw::call(order).with(|raw| raw.body_length = Some(body))
    });
}

#[test]
fn lengths_that_add_up_to_more_than_32_bits_are_refused() {
    let length = u64::from(u32::MAX) + 48;
    refused(MessageError::TooLong { length, limit: MAX_MESSAGE_BYTES }, |order| {
        Raw::call(order).with(|raw| raw.body_length = Some(u32::MAX))
    });
    let length = u32::MAX.into();
    refused(MessageError::FieldsTooLong { length, limit: MAX_ARRAY_BYTES }, |order| {
        Raw::call(order).with(|raw| raw.fields_length = Some(u32::MAX))
    });
}

#[test]
fn one_byte_more_or_less_is_refused() {
    for order in ORDERS {
        let whole = Raw::call(order).finish();
        let length = whole.len();

        let less = whole.slice(..length - 1);
        let refused = Message::from_bytes(less, Vec::new()).unwrap_err();
        let error = MessageError::Length { declared: length, length: length - 1 };
        assert_eq!(refused.error, error);

        let more = Bytes::from([&whole[..], &[0]].concat());
        let refused = Message::from_bytes(more, Vec::new()).unwrap_err();
        let error = MessageError::Length { declared: length, length: length + 1 };
        assert_eq!(refused.error, error);
    }
}

#[test]
fn less_than_the_fixed_part_is_refused() {
    for length in 0..16 {
        let start = Raw::call(ORDERS[0]).finish().slice(..length);
        let refused = Message::from_bytes(start, Vec::new()).unwrap_err();
        assert_eq!(refused.error, MessageError::Length { declared: 16, length });
    }
}

#[test]
fn what_pads_the_header_is_0() {
    refused(MessageError::Padding, |order| Raw::call(order).with(|raw| raw.padding = 1));
}

#[test]
fn a_body_is_kept_as_it_is() {
    for order in ORDERS {
        let raw = Raw::call(order).field(SIGNATURE, "g").signature("s");
        let message = read(raw.with(|raw| raw.body = vec![1, 2, 3])).expect("a message");
        assert_eq!(message.body(), &[1, 2, 3][..]);
        assert_eq!(message.header().body_len(), 3);
        assert_eq!(message.header().signature(), "s");
    }
}

#[test]
fn a_body_wants_a_signature() {
    refused(MessageError::BodyWithoutSignature, |order| {
        Raw::call(order).with(|raw| raw.body = vec![0])
    });
    refused(MessageError::BodyWithoutSignature, |order| {
        Raw::call(order).field(SIGNATURE, "g").signature("").with(|raw| raw.body = vec![0])
    });
}

#[test]
fn a_signature_wants_a_body() {
    refused(MessageError::SignatureWithoutBody, |order| {
        Raw::call(order).field(SIGNATURE, "g").signature("s")
    });
}

#[test]
fn an_empty_signature_is_as_none() {
    taken(|order| Raw::call(order).field(SIGNATURE, "g").signature(""));
}
