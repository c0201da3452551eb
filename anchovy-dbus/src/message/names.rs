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
    name.len() <= MAX_NAME_BYTES && elements(name, &NAME) == Some(Elements::Several)
}

/// Returns whether this is a valid name of a method or a signal: one element, which does not begin with
/// a digit.
pub(super) fn is_member(name: &[u8]) -> bool {
    name.len() <= MAX_NAME_BYTES && elements(name, &NAME) == Some(Elements::One)
}

/// Returns whether this is a valid bus name: a unique name (`:1.7`) or a well-known name
/// (`org.example.Service`).
///
/// Elements may have hyphens. Only the elements of a unique name may begin with a digit.
pub(crate) fn is_bus_name(name: &[u8]) -> bool {
    let elements = match name.strip_prefix(b":") {
        Some(unique) => elements(unique, &UNIQUE_NAME),
        None => elements(name, &WELL_KNOWN_NAME),
    };
    name.len() <= MAX_NAME_BYTES && elements == Some(Elements::Several)
}

/// Returns whether this is a valid object path: `/`, or elements with a slash before each.
///
/// Paths have no maximum length of their own.
pub(super) fn is_object_path(path: &[u8]) -> bool {
    match path.strip_prefix(b"/") {
        Some(b"") => true,
        Some(rest) => elements(rest, &PATH).is_some(),
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
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || (byte == b'-' && may_be_hyphen)
}

/// The rules for a name besides its length and its number of elements.
///
/// An element has letters, digits and underscores.
struct Rules {
    separator: u8,
    /// One more byte that an element may have. Where there is none, this is the underscore.
    other: u8,
    /// Whether an element may begin with a digit.
    begins_with_digits: bool,
}

const NAME: Rules = Rules { separator: b'.', other: b'_', begins_with_digits: false };
const WELL_KNOWN_NAME: Rules = Rules { separator: b'.', other: b'-', begins_with_digits: false };
const UNIQUE_NAME: Rules = Rules { separator: b'.', other: b'-', begins_with_digits: true };
const PATH: Rules = Rules { separator: b'/', other: b'_', begins_with_digits: true };

/// The number of elements of a name.
#[derive(Debug, PartialEq, Eq)]
enum Elements {
    One,
    Several,
}

/// Returns the number of elements, or `None` if one of them is empty or not valid.
///
/// Building and receiving a message checks several names. So eight bytes are checked at once.
// Inlined, so that the compiler knows the rules.
#[inline(always)]
fn elements(name: &[u8], rules: &Rules) -> Option<Elements> {
    let (last, before) = name.split_last()?;
    if *last == rules.separator {
        return None;
    }
    let mut checked = Checked { invalid: 0, separators: 0 };
    if let Some(word) = short_word(name) {
        checked.add(word, true, rules);
        // The bytes after the name are 0.
        checked.invalid &= !(u64::MAX << (8 * name.len()));
    } else {
        let words = name.chunks_exact(8);
        let has_rest = !words.remainder().is_empty();
        let mut begins = true;
        for word in words.filter_map(<[u8]>::first_chunk) {
            begins = checked.add(u64::from_le_bytes(*word), begins, rules);
        }
        // The last eight bytes overlap with those before.
        if let (true, Some(word), [.., byte, _, _, _, _, _, _, _]) =
            (has_rest, name.last_chunk(), before)
        {
            checked.add(u64::from_le_bytes(*word), *byte == rules.separator, rules);
        }
    }
    if checked.invalid & HIGH != 0 {
        None
    } else if checked.separators & HIGH != 0 {
        Some(Elements::Several)
    } else {
        Some(Elements::One)
    }
}

/// Returns less than eight bytes as a word, with zeros after them.
#[inline(always)]
pub(super) fn short_word(bytes: &[u8]) -> Option<u64> {
    let length = bytes.len();
    if length >= 8 {
        return None;
    }
    // Two words, or three bytes, that may overlap have the same bytes where they do.
    Some(match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) | u64::from(last) << (8 * (length - 4))
        }
        _ => [0, length / 2, length.saturating_sub(1)].into_iter().fold(0, |word, at| {
            word | u64::from(bytes.get(at).copied().unwrap_or_default()) << (8 * at)
        }),
    })
}

/// The highest bit of each byte.
const HIGH: u64 = repeated(0x80);

/// Returns a word in which each byte is this one.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The results of checks, in the highest bit of each byte. The other bits are of no use.
struct Checked {
    invalid: u64,
    separators: u64,
}

impl Checked {
    /// Checks eight bytes, of which the first one begins an element if `begins`. Returns whether the byte
    /// after them does.
    ///
    /// No sum of two bytes has a carry if all bytes are ASCII. Another byte is invalid by its own highest
    /// bit, which no carry can change.
    #[inline(always)]
    fn add(&mut self, word: u64, begins: bool, rules: &Rules) -> bool {
        // The highest bit of a sum tells whether a byte is at least, or above, a bound.
        let at_least = |word: u64, bound: u8| word.wrapping_add(repeated(0x80 - bound));
        let is_other_than = |byte: u8| (word ^ repeated(byte)).wrapping_add(repeated(0x7f));
        let lower = word | repeated(0x20);
        let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
        let digits = at_least(word, b'0') & !at_least(word, b'9' + 1);
        let separators = !is_other_than(rules.separator) & HIGH;
        let others = !(is_other_than(b'_') & is_other_than(rules.other));
        let begins = separators << 8 | u64::from(begins) << 7;
        let after_begin = if rules.begins_with_digits {
            digits | (separators & !begins)
        } else {
            (digits | separators) & !begins
        };
        self.invalid |= word | !(letters | others | after_begin);
        self.separators |= separators;
        separators >> 63 != 0
    }
}

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

    /// Returns the number of elements as the specification counts them.
    fn counted(name: &[u8], rules: &Rules) -> Option<Elements> {
        let is_valid = |element: &[u8]| {
            let begins_with_digit = element.first().is_some_and(u8::is_ascii_digit);
            let mut bytes = element.iter();
            !element.is_empty()
                && (rules.begins_with_digits || !begins_with_digit)
                && bytes.all(|byte| *byte != b'.' && is_in_names(*byte, rules.other == b'-'))
        };
        let elements: Vec<&[u8]> = name.split(|byte| *byte == rules.separator).collect();
        let number = if elements.len() == 1 { Elements::One } else { Elements::Several };
        elements.into_iter().all(is_valid).then_some(number)
    }

    #[test]
    fn every_byte_at_every_position_is_checked() {
        for rules in [&NAME, &WELL_KNOWN_NAME, &UNIQUE_NAME, &PATH] {
            let separator = char::from(rules.separator);
            let names = [
                "abcdefghijklmnopqrstu",
                "a.bc_d.e.F0.ghi.Z.j.k",
                "a.bbbbbbbbbbbbbbb.ccccccccccccccc.d",
            ];
            for name in names.map(|name| name.replace('.', &separator.to_string()).into_bytes()) {
                for length in 0..=name.len() {
                    let mut name = name[..length].to_vec();
                    assert_eq!(elements(&name, rules), counted(&name, rules), "{name:?}");
                    for position in 0..length {
                        let before = name[position];
                        for byte in 0..=u8::MAX {
                            name[position] = byte;
                            assert_eq!(elements(&name, rules), counted(&name, rules), "{name:?}");
                        }
                        name[position] = before;
                    }
                }
            }
        }
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
        let (longest, long) = (format!("{}-", long(254)), long(256));
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
            (HeaderField::Interface, "a.b c", "only letters, digits, underscores and dots"),
            (HeaderField::Interface, ":a.b", "only letters"),
            (HeaderField::ErrorName, "a.1b", "begin with a digit"),
            (HeaderField::ErrorName, &long, "255 bytes"),
            (HeaderField::ErrorName, &longest, "hyphen"),
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
