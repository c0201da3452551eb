//! Values of fields that are not known: they mean nothing, and have to be right all the same.

use anchovy_dbus::{ByteOrder, FieldError, HeaderField, SignatureError};

use crate::raw::{Raw, UNKNOWN, field_refused, taken};

/// A call with an unknown field of this signature, to which a value is to be added.
fn unknown(order: ByteOrder, signature: &str) -> Raw {
    Raw::call(order).field(UNKNOWN, signature)
}

#[track_caller]
fn wrong(error: FieldError, signature: &str, value: impl Fn(Raw) -> Raw) {
    let field = HeaderField::Unknown(UNKNOWN);
    field_refused(field, error, |order| value(unknown(order, signature)));
}

#[track_caller]
fn right(signature: &str, value: impl Fn(Raw) -> Raw) {
    taken(|order| value(unknown(order, signature)));
    // It ends where it ends: what follows is a field again.
    taken(|order| value(unknown(order, signature)).numeric(UNKNOWN, 1));
}

#[test]
fn values_of_every_type_are_passed_over() {
    right("y", |raw| raw.bytes(&[1]));
    right("n", |raw| raw.align(2).bytes(&[1; 2]));
    right("q", |raw| raw.align(2).bytes(&[1; 2]));
    for code in ["i", "u", "h"] {
        right(code, |raw| raw.align(4).bytes(&[1; 4]));
    }
    for code in ["x", "t", "d"] {
        right(code, |raw| raw.align(8).bytes(&[1; 8]));
    }
    right("b", |raw| raw.number(0));
    right("b", |raw| raw.number(1));
    right("s", |raw| raw.string("ä text"));
    right("o", |raw| raw.string("/org/example"));
    right("g", |raw| raw.signature("a{sv}i"));
    right("v", |raw| raw.signature("u").number(1));
    right("(yu)", |raw| raw.align(8).bytes(&[1]).number(1));
    right("ay", |raw| raw.number(3).bytes(&[1, 2, 3]));
}

#[test]
fn an_array_of_texts_is_passed_over() {
    right("as", |raw| raw.number(14).string("a").string("b"));
}

#[test]
fn a_dict_is_passed_over() {
    right("a{sv}", |raw| raw.number(16).align(8).string("key").signature("u").number(9));
}

#[test]
fn a_fixed_value_does_not_go_past_the_row() {
    for (signature, size) in [("y", 1), ("n", 2), ("i", 4), ("b", 4), ("t", 8)] {
        wrong(FieldError::EndsEarly, signature, |raw| raw.align(size).bytes(&vec![0; size - 1]));
    }
    wrong(FieldError::EndsEarly, "(yy)", |raw| raw.align(8).bytes(&[0]));
    wrong(FieldError::EndsEarly, "v", |raw| raw.bytes(&[1, b'y']));
    wrong(FieldError::EndsEarly, "v", |raw| raw.bytes(&[1, b'y', 0]));
}

#[test]
fn what_aligns_a_value_is_0() {
    for (signature, alignment) in [("t", 8), ("(y)", 8), ("ay", 4), ("as", 4)] {
        wrong(FieldError::Padding, signature, |raw| {
            assert_ne!(raw.fields.len() % alignment, 0);
            raw.bytes(&[1]).align(8).bytes(&[0; 16])
        });
    }
    for code in ["n", "u", "s", "t", "b"] {
        wrong(FieldError::Padding, &format!("(y{code})"), |raw| {
            raw.align(8).bytes(&[1, 1]).align(8).bytes(&[0; 8])
        });
    }
}

#[test]
fn a_field_has_exactly_one_type() {
    for signature in ["", "yy", "uay"] {
        wrong(FieldError::NotOneType, signature, |raw| raw.align(8).bytes(&[0; 16]));
        wrong(FieldError::NotOneType, "v", |raw| raw.signature(signature).align(8).bytes(&[0; 16]));
    }
}

#[test]
fn the_signature_of_a_field_is_valid() {
    wrong(FieldError::Signature(SignatureError::Brackets), "(y}", |raw| raw.bytes(&[0; 16]));
    wrong(FieldError::Signature(SignatureError::UnknownType(b'r')), "r", |raw| raw.bytes(&[0; 16]));
}

#[test]
fn the_signature_of_a_variant_is_valid() {
    let error = FieldError::Signature(SignatureError::Brackets);
    wrong(error, "v", |raw| raw.signature("(y}").align(8).bytes(&[0; 16]));
}

#[test]
fn a_boolean_is_0_or_1() {
    wrong(FieldError::Boolean(2), "b", |raw| raw.number(2));
    wrong(FieldError::Boolean(1 << 24), "b", |raw| raw.number(1 << 24));
    wrong(FieldError::Boolean(2), "ab", |raw| raw.number(8).number(1).number(2));
    right("ab", |raw| raw.number(8).number(1).number(0));
}

#[test]
fn a_text_is_utf_8_without_0() {
    wrong(FieldError::NotUtf8, "s", |raw| raw.string(b"\xff"));
    wrong(FieldError::NotUtf8, "s", |raw| raw.string(b"\xed\xa0\x80"));
    wrong(FieldError::NulInText, "s", |raw| raw.string(b"a\0b"));
    wrong(FieldError::NotTerminated, "s", |raw| raw.number(1).bytes(b"ab"));
}

#[test]
fn a_path_in_a_value_is_valid() {
    wrong(FieldError::ObjectPath, "o", |raw| raw.string("a"));
    wrong(FieldError::ObjectPath, "ao", |raw| raw.number(6).string("a"));
}

#[test]
fn a_signature_in_a_value_is_valid() {
    wrong(FieldError::Signature(SignatureError::EmptyStruct), "g", |raw| raw.signature("()"));
    wrong(FieldError::NotTerminated, "g", |raw| raw.bytes(b"\x01yy"));
}

#[test]
fn an_array_has_2_to_the_26_bytes_at_most() {
    let length = (1 << 26) + 1;
    for signature in ["ay", "as"] {
        wrong(FieldError::ArrayTooLong(length), signature, |raw| raw.number(length));
        wrong(FieldError::EndsEarly, signature, |raw| raw.number(length - 1));
    }
}

#[test]
fn an_array_does_not_go_past_the_row() {
    wrong(FieldError::EndsEarly, "ay", |raw| raw.number(4).bytes(&[0; 3]));
    wrong(FieldError::EndsEarly, "as", |raw| raw.number(7).string("a"));
}

#[test]
fn an_array_of_fixed_values_has_a_whole_number_of_them() {
    for (element, size) in [("n", 2_u32), ("u", 4), ("h", 4), ("t", 8), ("d", 8)] {
        let signature = format!("a{element}");
        let start = |raw: Raw, length| raw.number(length).align(size as usize);
        right(&signature, |raw| start(raw, size * 2).bytes(&vec![1; size as usize * 2]));
        for length in [1, size - 1, size + 1] {
            wrong(FieldError::ArrayNotWhole, &signature, |raw| start(raw, length).bytes(&[0; 16]));
        }
    }
}

#[test]
fn an_element_does_not_go_past_its_array() {
    wrong(FieldError::EndsEarly, "as", |raw| raw.number(5).string("a").bytes(&[0; 16]));
    wrong(FieldError::EndsEarly, "ab", |raw| raw.number(6).number(0).number(0));
    wrong(FieldError::EndsEarly, "a(yy)", |raw| raw.number(1).align(8).bytes(&[0; 16]));
    wrong(FieldError::EndsEarly, "aas", |raw| raw.number(8).number(6).string("a").bytes(&[0; 16]));
}

#[test]
fn an_empty_array_is_padded_for_the_element_that_it_has_not() {
    for signature in ["at", "a(y)", "a{ys}", "ax", "ad"] {
        right(signature, |raw| raw.number(0).align(8));
    }
    wrong(FieldError::EndsEarly, "at", |raw| {
        raw.number(0).align(8).with(|raw| {
            raw.fields.pop();
        })
    });
    for signature in ["at", "a(y)", "a{ys}"] {
        wrong(FieldError::Padding, signature, |raw| {
            let raw = raw.number(0);
            assert_ne!(raw.fields.len() % 8, 0);
            raw.bytes(&[0, 0, 0, 1])
        });
    }
    for signature in ["as", "aas", "av", "ag", "ay", "ab", "ao"] {
        right(signature, |raw| raw.number(0));
    }
}

#[test]
fn what_follows_an_empty_array_in_a_struct_is_read() {
    right("(a(yas)u)", |raw| raw.align(8).number(0).align(8).number(7));
    let error = FieldError::Boolean(2);
    wrong(error, "(aa{sv}b)", |raw| raw.align(8).number(0).number(2));
}

#[test]
fn structs_begin_at_multiples_of_8() {
    right("(y(y))", |raw| raw.align(8).bytes(&[1]).align(8).bytes(&[1]));
    wrong(FieldError::Padding, "(y(y))", |raw| raw.align(8).bytes(&[1, 1]).align(8).bytes(&[1]));
    right("a{ys}", |raw| raw.number(10).align(8).bytes(&[1]).string("a"));
}

/// So many variants within each other, a byte in the last.
fn variants(raw: Raw, count: usize) -> Raw {
    (1..count).fold(raw, |raw, _| raw.signature("v")).signature("y").bytes(&[1])
}

#[test]
fn variants_are_64_deep_at_most_with_what_is_around_them() {
    // The row, the field and its variant are three.
    right("v", |raw| variants(raw, 61));
    wrong(FieldError::TooDeep, "v", |raw| variants(raw, 62));
}

#[test]
fn ten_thousand_variants_are_refused_without_descending_into_them() {
    wrong(FieldError::TooDeep, "v", |raw| variants(raw, 10_000));
}

#[test]
fn structs_count_as_containers() {
    let structs = format!("{}y{}", "(".repeat(31), ")".repeat(31));
    let inner = |raw: Raw, count| variants_of(raw, count).signature(&structs).align(8).bytes(&[1]);
    right("v", |raw| inner(raw, 30));
    wrong(FieldError::TooDeep, "v", |raw| inner(raw, 31));
}

#[test]
fn structs_end_where_they_end() {
    let elements = |raw: Raw| raw.number(9).align(8).bytes(&[1]).align(8).bytes(&[2]);
    right("a(y)", elements);
    right("(a(y)y)", |raw| elements(raw.align(8)).bytes(&[3]));
    right("((a(y))y)", |raw| elements(raw.align(8)).bytes(&[3]));
    right("((y)(a((y))))", |raw| elements(raw.align(8).bytes(&[3]).align(8)));
    right("a{y(a(y))}", |raw| elements(raw.number(25).align(8).bytes(&[1]).align(8)));
    wrong(FieldError::Padding, "((y)((y)))", |raw| {
        raw.align(8).bytes(&[1, 0, 1, 0, 0, 0, 0, 0, 2])
    });
}

#[test]
fn arrays_count_as_containers() {
    let arrays = format!("{}y", "a".repeat(31));
    let inner = |raw: Raw, count| {
        let raw = variants_of(raw, count).signature(&arrays).align(4);
        (0..31_u32).rev().fold(raw, |raw, deeper| raw.number(deeper * 4))
    };
    right("v", |raw| inner(raw, 30));
    wrong(FieldError::TooDeep, "v", |raw| inner(raw, 31));
}

#[test]
fn an_array_in_a_struct_is_one_container_deeper() {
    let inner = |raw: Raw, count| variants_of(raw, count).signature("(ay)").align(8).number(0);
    right("v", |raw| inner(raw, 59));
    wrong(FieldError::TooDeep, "v", |raw| inner(raw, 60));
}

/// So many variants within each other, the last of which has its value still to come.
fn variants_of(raw: Raw, count: usize) -> Raw {
    (1..count).fold(raw, |raw, _| raw.signature("v"))
}

#[test]
fn many_empty_arrays_of_a_long_type_are_passed_over() {
    let signature = format!("aa({})", "y".repeat(200));
    let arrays = |raw: Raw| (0..100_000).fold(raw, |raw, _| raw.number(0).align(8));
    right(&signature, |raw| {
        let before = raw.fields.len().next_multiple_of(4) + 4;
        let length = 100_000 * 8 - before as u32 % 8;
        arrays(raw.number(length))
    });
}
