//! The row of header fields: which there are, of which type, how often, and where they end.

use std::num::NonZeroU32;

use anchovy_dbus::{FieldError, HeaderField, MessageError, MessageType};

use crate::raw::{
    DESTINATION, ERROR_NAME, INTERFACE, MEMBER, ORDERS, PATH, REPLY_SERIAL, Raw, SENDER, SIGNATURE,
    UNIX_FDS, UNKNOWN, field_refused, read, refused, taken,
};

/// Every known field, with its code and the code of its type.
const KNOWN: [(HeaderField, u8, u8); 9] = [
    (HeaderField::Path, PATH, b'o'),
    (HeaderField::Interface, INTERFACE, b's'),
    (HeaderField::Member, MEMBER, b's'),
    (HeaderField::ErrorName, ERROR_NAME, b's'),
    (HeaderField::ReplySerial, REPLY_SERIAL, b'u'),
    (HeaderField::Destination, DESTINATION, b's'),
    (HeaderField::Sender, SENDER, b's'),
    (HeaderField::Signature, SIGNATURE, b'g'),
    (HeaderField::UnixFds, UNIX_FDS, b'u'),
];

/// Adds a field whose value is right.
fn right(raw: Raw, code: u8) -> Raw {
    match code {
        PATH => raw.text(PATH, b'o', "/org/example"),
        INTERFACE | ERROR_NAME => raw.text(code, b's', "org.example.Name"),
        MEMBER => raw.text(MEMBER, b's', "Member"),
        DESTINATION => raw.text(DESTINATION, b's', "org.example"),
        SENDER => raw.text(SENDER, b's', ":1.7"),
        REPLY_SERIAL => raw.numeric(REPLY_SERIAL, 7),
        UNIX_FDS => raw.numeric(UNIX_FDS, 0),
        SIGNATURE => raw.field(SIGNATURE, "g").signature(""),
        unknown => raw.numeric(unknown, 1),
    }
}

/// A message of no defined type, which has to have nothing.
fn bare(order: anchovy_dbus::ByteOrder) -> Raw {
    Raw::new(order, 77)
}

#[test]
fn every_field_is_read() {
    for order in ORDERS {
        let raw = KNOWN.iter().fold(bare(order), |raw, (_, code, _)| right(raw, *code));
        let message = read(raw).expect("a message");
        let header = message.header();
        assert_eq!(header.path(), Some("/org/example"));
        assert_eq!(header.interface(), Some("org.example.Name"));
        assert_eq!(header.member(), Some("Member"));
        assert_eq!(header.error_name(), Some("org.example.Name"));
        assert_eq!(header.reply_serial(), NonZeroU32::new(7));
        assert_eq!(header.destination(), Some("org.example"));
        assert_eq!(header.sender(), Some(":1.7"));
        assert_eq!(header.signature(), "");
        assert_eq!(header.unix_fds(), 0);
    }
}

#[test]
fn a_field_that_is_not_there_is_none() {
    let message = read(bare(ORDERS[0])).expect("a message");
    let header = message.header();
    assert_eq!(header.path(), None);
    assert_eq!(header.interface(), None);
    assert_eq!(header.member(), None);
    assert_eq!(header.error_name(), None);
    assert_eq!(header.reply_serial(), None);
    assert_eq!(header.destination(), None);
    assert_eq!(header.sender(), None);
    assert_eq!(header.signature(), "");
    assert_eq!(header.unix_fds(), 0);
}

#[test]
fn fields_may_come_in_any_order() {
    for order in ORDERS {
        let raw = KNOWN.iter().rev().fold(bare(order), |raw, (_, code, _)| right(raw, *code));
        assert_eq!(read(raw).expect("a message").header().sender(), Some(":1.7"));
    }
}

#[test]
fn a_known_field_has_its_type_and_no_other() {
    for (field, code, own) in KNOWN {
        for other in "sogubiyv".chars().filter(|other| *other != char::from(own)) {
            field_refused(field, FieldError::Type, |order| {
                bare(order).field(code, &other.to_string()).number(1).bytes(&[0; 8])
            });
        }
        for signature in ["", "su", "us", "ss", "uu", "oo", "gg", "(s)", "as", "}"] {
            field_refused(field, FieldError::Type, |order| {
                bare(order).field(code, signature).number(1).bytes(&[0; 8])
            });
        }
    }
}

#[test]
fn a_known_field_is_there_once() {
    for (field, code, _) in KNOWN {
        taken(|order| right(bare(order), code));
        refused(MessageError::FieldTwice(field), |order| right(right(bare(order), code), code));
    }
}

#[test]
fn an_unknown_field_is_passed_over_and_may_be_there_twice() {
    for code in [10, 16, 127, 128, 255] {
        taken(|order| right(right(Raw::call(order), code), code));
    }
}

#[test]
fn fields_after_an_unknown_field_are_read() {
    for order in ORDERS {
        let raw = right(right(Raw::call(order), UNKNOWN), SENDER);
        assert_eq!(read(raw).expect("a message").header().sender(), Some(":1.7"));
    }
}

#[test]
fn the_field_code_0_is_refused() {
    refused(MessageError::NoFieldCode, |order| right(Raw::call(order), 0));
}

#[test]
fn each_type_of_message_has_the_fields_it_has_to_have() {
    let types: [(MessageType, &[u8]); 4] = [
        (MessageType::MethodCall, &[PATH, MEMBER]),
        (MessageType::MethodReturn, &[REPLY_SERIAL]),
        (MessageType::Error, &[ERROR_NAME, REPLY_SERIAL]),
        (MessageType::Signal, &[PATH, INTERFACE, MEMBER]),
    ];
    for (message_type, needed) in types {
        let start = |order| Raw::new(order, message_type.code());
        taken(|order| needed.iter().fold(start(order), |raw, code| right(raw, *code)));
        for &(field, missing, _) in KNOWN.iter().filter(|(_, code, _)| needed.contains(code)) {
            refused(MessageError::FieldMissing { field, message_type }, |order| {
                let there = KNOWN.iter().filter(|(_, code, _)| *code != missing);
                there.fold(start(order), |raw, (_, code, _)| right(raw, *code))
            });
        }
    }
}

#[test]
fn a_reply_serial_is_not_0() {
    field_refused(HeaderField::ReplySerial, FieldError::NoSerial, |order| {
        Raw::call(order).numeric(REPLY_SERIAL, 0)
    });
}

#[test]
fn what_pads_a_field_is_0() {
    refused(MessageError::Padding, |order| {
        let mut raw = right(bare(order), PATH);
        assert_ne!(raw.fields.len() % 8, 0);
        raw.fields.push(1);
        right(raw, MEMBER)
    });
}

#[test]
fn the_row_of_fields_ends_with_a_field() {
    // Its length must not count what pads the header.
    refused(MessageError::FieldsEndEarly, |order| Raw::call(order).align(8).bytes(&[]));
    refused(MessageError::FieldsEndEarly, |order| Raw::call(order).with(|raw| raw.fields.push(0)));
}

#[test]
fn a_field_does_not_go_past_the_row() {
    for (field, code, _) in KNOWN {
        let whole = right(bare(ORDERS[0]), code).fields.len();
        for cut in 1..whole {
            field_refused(field, FieldError::EndsEarly, |order| {
                right(bare(order), code).with(|raw| raw.fields.truncate(cut))
            });
        }
    }
}

#[test]
fn a_text_that_claims_more_than_there_is_is_refused() {
    for length in [5, 100, u32::MAX - 1, u32::MAX] {
        field_refused(HeaderField::Member, FieldError::EndsEarly, |order| {
            bare(order).field(MEMBER, "s").number(length).bytes(b"Ping\0")
        });
    }
}

#[test]
fn a_text_ends_with_0() {
    field_refused(HeaderField::Member, FieldError::NotTerminated, |order| {
        bare(order).field(MEMBER, "s").number(4).bytes(b"Pingx")
    });
    field_refused(HeaderField::Path, FieldError::NotTerminated, |order| {
        bare(order).field(PATH, "o").number(1).bytes(b"/x")
    });
    field_refused(HeaderField::Signature, FieldError::NotTerminated, |order| {
        bare(order).field(SIGNATURE, "g").bytes(b"\x01sx")
    });
}

#[test]
fn the_signature_of_a_field_ends_with_0() {
    field_refused(HeaderField::Member, FieldError::NotTerminated, |order| {
        bare(order).bytes(&[MEMBER, 1, b's', 1]).number(4).bytes(b"Ping\0")
    });
}
