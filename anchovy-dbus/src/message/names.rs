//! Validation of names (D-Bus Specification, "Valid Names" and "Valid Object Paths").
//!
//! Names determine the receiver of a message and the policy that applies to it. A name that two
//! programs parse differently is a vulnerability. All valid names are ASCII.

use super::field::HeaderField;

/// Maximum length of a name other than a path, in bytes ("Valid Names").
const MAX_NAME_BYTES: usize = 255;

/// Returns whether this is a valid name of an interface or an error. Both have the same rules.
///
/// The name has two or more elements with dots between them. No element begins with a digit.
pub(super) fn is_interface(name: &[u8]) -> bool {
    name.len() <= MAX_NAME_BYTES && elements(name, b'.', WORD_START, WORD) >= Some(2)
}

/// Returns whether this is a valid name of a method or a signal: one element, which does not begin with
/// a digit.
pub(super) fn is_member(name: &[u8]) -> bool {
    name.len() <= MAX_NAME_BYTES && elements(name, b'.', WORD_START, WORD) == Some(1)
}

/// Returns whether this is a valid bus name: a unique name (`:1.7`) or a well-known name
/// (`org.example.Service`).
///
/// Elements may have hyphens. Only the elements of a unique name may begin with a digit.
pub(crate) fn is_bus_name(name: &[u8]) -> bool {
    let count = match name.strip_prefix(b":") {
        Some(unique) => elements(unique, b'.', BUS_NAME, BUS_NAME),
        None => elements(name, b'.', BUS_NAME_START, BUS_NAME),
    };
    name.len() <= MAX_NAME_BYTES && count >= Some(2)
}

/// Returns whether this is a valid object path: `/`, or elements with a slash before each.
///
/// Paths have no maximum length of their own.
pub(super) fn is_object_path(path: &[u8]) -> bool {
    match path.strip_prefix(b"/") {
        Some(b"") => true,
        Some(rest) => elements(rest, b'/', WORD, WORD).is_some(),
        None => false,
    }
}

/// Returns the rule that an invalid name or path in this field violates.
#[cold]
pub(super) fn broken_rule(field: HeaderField, value: &[u8]) -> &'static str {
    if field == HeaderField::Path {
        return broken_path_rule(value);
    }
    let (may_be_unique, has_elements) = match field {
        HeaderField::Member => (false, false),
        HeaderField::Destination | HeaderField::Sender => (true, true),
        _ => (false, true),
    };
    let unique = value.strip_prefix(b":").filter(|_| may_be_unique);
    let is_unique = unique.is_some();
    let elements = unique.unwrap_or(value);
    if value.is_empty() {
        "it is empty"
    } else if value.len() > MAX_NAME_BYTES {
        "it has more than 255 bytes"
    } else if !has_elements && elements.contains(&b'.') {
        "it must not have a dot"
    } else if elements.split(|byte| *byte == b'.').any(<[u8]>::is_empty) {
        "an element is empty"
    } else if let Some(byte) = elements.iter().find(|byte| !is_in_names(**byte, may_be_unique)) {
        match byte {
            b'-' => "it must not have a hyphen",
            _ if may_be_unique => "it may have only letters, digits, underscores, hyphens and dots",
            _ => "it may have only letters, digits, underscores and dots",
        }
    } else if has_elements && !elements.contains(&b'.') {
        "it must have two elements or more, with a dot between them"
    } else if is_unique {
        "its elements are not valid"
    } else {
        "an element must not begin with a digit"
    }
}

fn broken_path_rule(path: &[u8]) -> &'static str {
    if path.is_empty() {
        "it is empty"
    } else if !path.starts_with(b"/") {
        "it must begin with /"
    } else if path.ends_with(b"/") {
        "it must not end with /"
    } else if path.windows(2).any(|two| two == b"//") {
        "an element is empty"
    } else {
        "its elements may have only letters, digits and underscores"
    }
}

fn is_in_names(byte: u8, may_be_hyphen: bool) -> bool {
    let kind = if may_be_hyphen { BUS_NAME } else { WORD };
    byte == b'.' || KINDS[usize::from(byte)] & kind != 0
}

/// Returns the number of elements between separators, or `None` if an element is not valid: it is empty,
/// its first byte is not of the kind `start`, or another byte is not of the kind `rest`.
///
/// Building and receiving a message checks several names. So each byte is looked up only once.
fn elements(mut name: &[u8], separator: u8, start: u8, rest: u8) -> Option<usize> {
    let is = |byte: &u8, kind| KINDS[usize::from(*byte)] & kind != 0;
    let mut count = 0;
    loop {
        let (first, others) = name.split_first()?;
        if !is(first, start) {
            return None;
        }
        count += 1;
        let Some(end) = others.iter().position(|byte| !is(byte, rest)) else { return Some(count) };
        if others[end] != separator {
            return None;
        }
        name = &others[end + 1..];
    }
}

/// The kinds of a byte: in an element, at the start of an element, and both for elements of bus names.
const WORD: u8 = 1;
const WORD_START: u8 = 2;
const BUS_NAME: u8 = 4;
const BUS_NAME_START: u8 = 8;

/// The kinds of each byte.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | BUS_NAME,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => WORD | WORD_START | BUS_NAME | BUS_NAME_START,
            b'-' => BUS_NAME | BUS_NAME_START,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all(is_valid: fn(&[u8]) -> bool, valid: bool, names: &[&str]) {
        for name in names {
            assert_eq!(is_valid(name.as_bytes()), valid, "{name:?}");
        }
    }

    /// Returns a name of this length with one dot.
    fn long(length: usize) -> String {
        format!("a.{}", "b".repeat(length - 2))
    }

    #[test]
    fn an_interface_has_two_elements_or_more() {
        all(is_interface, true, &["a.b", "org.freedesktop.DBus", "_._", "a1.B2"]);
        all(is_interface, false, &["", "a", ".", "a.", ".a", "a..b", ".a.b", "a.b."]);
    }

    #[test]
    fn an_element_of_an_interface_has_letters_digits_and_underscores() {
        all(is_interface, false, &["a.b-c", "a.b c", "a/b.c", "a.ä", "a.b\0", ":a.b"]);
    }

    #[test]
    fn no_element_of_an_interface_begins_with_a_digit() {
        all(is_interface, false, &["1a.b", "a.1b"]);
    }

    #[test]
    fn an_interface_has_255_bytes_at_most() {
        assert!(is_interface(long(255).as_bytes()));
        assert!(!is_interface(long(256).as_bytes()));
    }

    #[test]
    fn a_member_is_one_element() {
        all(is_member, true, &["Hello", "_", "a1", "Z"]);
        all(is_member, false, &["", "a.b", "1a", "a-b", "a b", "ä", "a\0"]);
    }

    #[test]
    fn a_member_has_255_bytes_at_most() {
        assert!(is_member(&[b'a'; 255]));
        assert!(!is_member(&[b'a'; 256]));
    }

    #[test]
    fn a_unique_name_may_begin_elements_with_digits() {
        all(is_bus_name, true, &[":1.0", ":a.b", ":1.2.3-4"]);
        all(is_bus_name, false, &[":", ":1", ":.1", ":1.", ":1..2", "::1.2", ":1.2 ", ":1.2/3"]);
    }

    #[test]
    fn a_well_known_name_may_have_hyphens_but_no_digits_first() {
        all(is_bus_name, true, &["org.freedesktop.DBus", "a-b.c", "-a.b", "_7.zip"]);
        all(is_bus_name, false, &["", "a", ".a.b", "a.b.", "a..b", "1.0", "a.1b", "a.b:c", "ä.b"]);
    }

    #[test]
    fn a_bus_name_has_255_bytes_at_most() {
        assert!(is_bus_name(long(255).as_bytes()));
        assert!(!is_bus_name(long(256).as_bytes()));
        assert!(is_bus_name(format!(":{}", long(254)).as_bytes()));
        assert!(!is_bus_name(format!(":{}", long(255)).as_bytes()));
    }

    #[test]
    fn a_path_is_the_root_or_elements_after_slashes() {
        all(is_object_path, true, &["/", "/a", "/1", "/_/a/0", "/org/freedesktop/DBus"]);
        all(is_object_path, false, &["", "a", "a/b", "//", "/a/", "/a//b", "/a/b/"]);
    }

    #[test]
    fn an_element_of_a_path_has_letters_digits_and_underscores() {
        all(is_object_path, false, &["/a-b", "/a.b", "/a b", "/ä", "/a\0", "/a:b"]);
    }

    #[test]
    fn the_broken_rule_of_a_name_is_named() {
        let long = long(256);
        for (field, value, rule) in [
            (HeaderField::Path, "", "is empty"),
            (HeaderField::Path, "no/slash", "begin with /"),
            (HeaderField::Path, "/a/", "not end with /"),
            (HeaderField::Path, "/a//b", "element is empty"),
            (HeaderField::Path, "/a-b", "only letters, digits and underscores"),
            (HeaderField::Interface, "", "is empty"),
            (HeaderField::Interface, "a", "two elements"),
            (HeaderField::Interface, "a..b", "element is empty"),
            (HeaderField::Interface, "a.b-c", "hyphen"),
            (HeaderField::Interface, "a.b c", "only letters"),
            (HeaderField::Interface, ":a.b", "only letters"),
            (HeaderField::ErrorName, "a.1b", "begin with a digit"),
            (HeaderField::ErrorName, &long, "255 bytes"),
            (HeaderField::Member, "a.b", "not have a dot"),
            (HeaderField::Member, "1a", "begin with a digit"),
            (HeaderField::Destination, ":1", "two elements"),
            (HeaderField::Destination, ":1..2", "element is empty"),
            (HeaderField::Sender, "1.1", "begin with a digit"),
            (HeaderField::Sender, "a.b:c", "only letters, digits, underscores, hyphens"),
        ] {
            let told = broken_rule(field, value.as_bytes());
            assert!(told.contains(rule), "{field} {value:?}: {told}");
        }
    }

    #[test]
    fn a_path_may_be_longer_than_a_name() {
        assert!(is_object_path(format!("/{}", "a".repeat(300)).as_bytes()));
    }
}
