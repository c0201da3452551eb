//! The values of the header fields: each has the rules of its kind.

use anchovy_dbus::{FieldError, HeaderField, SignatureError};

use crate::raw::{
    DESTINATION, ERROR_NAME, INTERFACE, MEMBER, PATH, Raw, SENDER, SIGNATURE, field_refused, taken,
};

#[track_caller]
fn name(field: HeaderField, code: u8, good: &[&str], bad: &[&str]) {
    for name in good {
        taken(|order| Raw::new(order, 77).text(code, b's', name));
    }
    for name in bad {
        field_refused(field, FieldError::Name, |order| Raw::new(order, 77).text(code, b's', name));
    }
}

#[test]
fn an_interface_is_a_valid_one() {
    let bad = ["", "one", "a..b", ".a.b", "a.1b", "a.b-c", ":1.2", "a.b\0", "a.ä"];
    name(HeaderField::Interface, INTERFACE, &["a.b", "org.example.I1"], &bad);
}

#[test]
fn the_name_of_an_error_is_one_of_an_interface() {
    let bad = ["", "one", "a..b", ".a.b", "a.1b", "a.b-c", ":1.2"];
    name(HeaderField::ErrorName, ERROR_NAME, &["a.b", "org.example.Error.E1"], &bad);
}

#[test]
fn a_member_is_a_valid_one() {
    name(HeaderField::Member, MEMBER, &["M", "_m1"], &["", "1m", "a.b", "a-b", "M\0", "ä"]);
}

#[test]
fn sender_and_destination_are_names_of_connections() {
    let good = [":1.7", "org.example", "a-b.c"];
    let bad = ["", "one", ":1", ":", "a.1", "a..b", "a.b/c", "org.example\0"];
    name(HeaderField::Destination, DESTINATION, &good, &bad);
    name(HeaderField::Sender, SENDER, &good, &bad);
}

#[test]
fn a_path_is_a_valid_one() {
    for path in ["/", "/a", "/org/example/1"] {
        taken(|order| Raw::new(order, 77).text(PATH, b'o', path));
    }
    for path in ["", "a", "/a/", "//", "/a//b", "/a-b", "/a\0", "/ä"] {
        field_refused(HeaderField::Path, FieldError::ObjectPath, |order| {
            Raw::new(order, 77).text(PATH, b'o', path)
        });
    }
}

#[test]
fn names_that_are_not_utf_8_are_refused() {
    field_refused(HeaderField::Member, FieldError::Name, |order| {
        Raw::new(order, 77).text(MEMBER, b's', b"M\xff")
    });
    field_refused(HeaderField::Path, FieldError::ObjectPath, |order| {
        Raw::new(order, 77).text(PATH, b'o', b"/\xff")
    });
}

#[test]
fn what_is_local_does_not_come_from_a_peer() {
    field_refused(HeaderField::Path, FieldError::Reserved, |order| {
        Raw::new(order, 1).text(PATH, b'o', "/org/freedesktop/DBus/Local").text(MEMBER, b's', "M")
    });
    field_refused(HeaderField::Interface, FieldError::Reserved, |order| {
        Raw::call(order).text(INTERFACE, b's', "org.freedesktop.DBus.Local")
    });
    // Neither is what only begins so.
    taken(|order| {
        Raw::new(order, 1)
            .text(PATH, b'o', "/org/freedesktop/DBus/Local/1")
            .text(INTERFACE, b's', "org.freedesktop.DBus.Local2")
            .text(MEMBER, b's', "M")
    });
}

#[test]
fn the_signature_of_the_body_is_valid() {
    for (signature, error) in [
        ("(s", SignatureError::Brackets),
        ("(i}", SignatureError::Brackets),
        ("a", SignatureError::ArrayOfNothing),
        ("{ss}", SignatureError::EntryOutsideArray),
        ("r", SignatureError::UnknownType(b'r')),
    ] {
        field_refused(HeaderField::Signature, FieldError::Signature(error), |order| {
            let raw = Raw::call(order).field(SIGNATURE, "g").signature(signature);
            raw.with(|raw| raw.body = vec![0; 8])
        });
    }
}
