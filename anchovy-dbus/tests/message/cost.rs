//! Header fields that take the longest to read, by kind.

use std::time::Duration;

use anchovy_dbus::{ByteOrder, Message};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

use crate::raw::{MEMBER, PATH, Raw, UNKNOWN};

const MIB: usize = 1 << 20;

/// These bytes as often as there is room for, aligned, with no padding after the last.
fn repeat(element: &[u8], alignment: usize, room: usize) -> Vec<u8> {
    let mut padded = element.to_vec();
    padded.resize(element.len().next_multiple_of(alignment), 0);
    let mut bytes = padded.repeat(room / padded.len());
    bytes.truncate(bytes.len() - (padded.len() - element.len()));
    bytes
}

fn call() -> Raw {
    Raw::call(ByteOrder::Little)
}

/// A call with an unknown field that is an array of this type, full of this element.
fn array(length: usize, element_type: &str, alignment: usize, element: &[u8]) -> Bytes {
    let raw = call().field(UNKNOWN, &format!("a{element_type}")).align(4);
    let start = (raw.fields.len() + 4).next_multiple_of(alignment);
    let elements = repeat(element, alignment, length - start);
    raw.number(elements.len() as u32).align(alignment).bytes(&elements).finish()
}

/// A call with this unknown field as often as there is room for.
fn fields(length: usize, signature: &str, value: impl FnOnce(Raw) -> Raw) -> Bytes {
    let field = value(Raw::new(ByteOrder::Little, 1).field(UNKNOWN, signature)).fields;
    let raw = call().align(8);
    let room = length - raw.fields.len();
    raw.bytes(&repeat(&field, 8, room)).finish()
}

/// The signature of a byte in these containers.
fn nested(open: &str, depth: usize, close: &str) -> String {
    format!("{}y{}", open.repeat(depth), close.repeat(depth))
}

/// A variant of this signature, with its value, which is aligned.
fn variant(signature: &str, alignment: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&[signature.len() as u8], signature.as_bytes(), &[0]].concat();
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    [&bytes, value].concat()
}

/// Calls whose header fields are this long and take long to read, each for another reason.
fn slow_calls(length: usize) -> Vec<(&'static str, Bytes)> {
    let path = format!("/{}", "a/".repeat(length / 2 - 32) + "a");
    let long_path = Raw::new(ByteOrder::Little, 1).text(MEMBER, b's', "M").text(PATH, b'o', path);
    let text = "ä".repeat(length / 2 - 64);
    let bytes = format!("({})", "y".repeat(252));
    let empty_arrays = format!("({})", "ay".repeat(126));
    let entries = nested("a{y", 31, "}");
    let arrays = nested("a", 31, "");
    let structs = nested("(", 32, ")");
    // 31 arrays in an array, the innermost of 4 bytes.
    let lengths = (0..31).rev().map(|inner: u32| 4 * (inner + 1));
    let deep_array: Vec<u8> = lengths.chain([0]).flat_map(u32::to_le_bytes).collect();
    let deep_variant = [b"\x01v\0".repeat(59), variant("y", 1, &[7])].concat();
    let no_value = |signature: &str| variant(signature, 1, &[]);
    vec![
        ("a path", long_path.finish()),
        ("a text", fields(length, "s", |raw| raw.string(text))),
        ("fields", fields(length, "y", |raw| raw.bytes(&[7]))),
        ("fields: arrays", fields(length, "ay", |raw| raw.number(0))),
        ("fields: structs", fields(length, "(y)", |raw| raw.align(8).bytes(&[7]))),
        ("fields: long signatures", {
            fields(length, &format!("a{bytes}"), |raw| raw.number(0).align(8))
        }),
        ("fields: deep entries", fields(length, &entries, |raw| raw.number(0).align(8))),
        ("fields: deep structs", fields(length, &structs, |raw| raw.align(8).bytes(&[7]))),
        ("bytes", array(length, "y", 1, &[7])),
        ("Booleans", array(length, "b", 4, &[1, 0, 0, 0])),
        ("texts", array(length, "s", 4, &[0; 5])),
        ("paths", array(length, "o", 4, b"\x01\0\0\0/\0")),
        ("empty signatures", array(length, "g", 1, &no_value(""))),
        ("short signatures", array(length, "g", 1, &no_value("y"))),
        ("signatures of arrays", array(length, "g", 1, &no_value("ay"))),
        ("signatures of structs", array(length, "g", 1, &no_value("(y)"))),
        ("long signatures", array(length, "g", 1, &no_value(&bytes))),
        ("deep signatures", array(length, "g", 1, &no_value(&structs))),
        ("structs", array(length, "(y)", 8, &[7])),
        ("long structs", array(length, &bytes, 8, &[7; 252])),
        ("deep structs", array(length, &structs, 8, &[7])),
        ("entries", array(length, "{yy}", 8, &[7, 7])),
        ("arrays", array(length, "ay", 4, &[0; 4])),
        ("arrays of structs", array(length, "a(y)", 4, &[0; 4])),
        ("structs of arrays", array(length, &empty_arrays, 8, &[0; 504])),
        ("arrays of arrays", array(length, &arrays, 4, &[0; 4])),
        ("deep arrays", array(length, &arrays, 4, &deep_array)),
        ("variants", array(length, "v", 1, &variant("y", 1, &[7]))),
        ("variants of arrays", array(length, "v", 4, &variant("ay", 4, &[0; 4]))),
        ("variants of structs", array(length, "(v)", 8, &variant("(y)", 8, &[7]))),
        ("variants of deep structs", array(length, "(v)", 8, &variant(&structs, 8, &[7]))),
        ("deep variants", array(length, "v", 1, &deep_variant)),
    ]
}

#[test]
fn a_mebibyte_of_unknown_fields_of_any_kind_is_read() {
    for (name, bytes) in slow_calls(MIB) {
        assert!(bytes.len() > MIB - 1024 && bytes.len() <= MIB + 16, "{name}: {}", bytes.len());
        // No time decides this test. With `--nocapture` it tells how long each kind takes.
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
        let start = now();
        let outcome = Message::from_bytes(bytes, Vec::new());
        println!("{:>10.1?} {name}", now() - start);
        if let Err(refused) = outcome {
            panic!("{name}: {}", refused.error);
        }
    }
}
