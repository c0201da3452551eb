//! Escaping of the values in an address.
//!
//! A byte outside of `[-0-9A-Za-z_/.\*]` must be written as a percent sign and two hex digits. Every
//! other byte can be written so (D-Bus Specification, "Server Addresses").

use std::fmt;

/// Returns whether a byte can be written without an escape.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_/.\\*".contains(&byte)
}

/// The error of unescaping a value, with the index of the invalid byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ValueError {
    Unescaped(usize),
    BadEscape(usize),
}

/// Returns the bytes of an escaped value.
pub(super) fn unescape(text: &[u8]) -> Result<Vec<u8>, ValueError> {
    let mut value = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let index = text.len() - rest.len();
        rest = after;
        match *byte {
            b'%' => {
                let (digits, after) =
                    after.split_at_checked(2).ok_or(ValueError::BadEscape(index))?;
                rest = after;
                let mut escaped = [0];
                hex::decode_to_slice(digits, &mut escaped)
                    .map_err(|_| ValueError::BadEscape(index))?;
                value.extend(escaped);
            }
            byte if is_plain(byte) => value.push(byte),
            _ => return Err(ValueError::Unescaped(index)),
        }
    }
    Ok(value)
}

/// Displays a value with escapes.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            // Implementations of the specification before 0.38 refuse an asterisk without an escape.
            if is_plain(byte) && byte != b'*' {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/.\\*";

    #[test]
    fn only_the_bytes_of_the_specification_need_no_escape() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                b'%' => Err(ValueError::BadEscape(0)),
                _ if PLAIN.contains(&byte) => Ok(vec![byte]),
                _ => Err(ValueError::Unescaped(0)),
            };
            assert_eq!(unescape(&[byte]), expected, "{byte:#x}");
        }
    }

    #[test]
    fn every_byte_can_be_escaped_with_digits_of_both_cases() {
        for byte in 0..=u8::MAX {
            assert_eq!(unescape(format!("%{byte:02x}").as_bytes()), Ok(vec![byte]));
            assert_eq!(unescape(format!("%{byte:02X}").as_bytes()), Ok(vec![byte]));
        }
        assert_eq!(unescape(b"a%20%25b"), Ok(b"a %b".to_vec()));
        assert_eq!(unescape(b"%2541"), Ok(b"%41".to_vec()));
    }

    #[test]
    fn a_percent_sign_needs_two_hex_digits() {
        for (text, index) in
            [("%", 0), ("ab%", 2), ("ab%2", 2), ("%g0", 0), ("%0g", 0), ("%%41", 0), ("a%+1", 1)]
        {
            assert_eq!(unescape(text.as_bytes()), Err(ValueError::BadEscape(index)), "{text}");
        }
    }

    #[test]
    fn the_error_has_the_index_of_the_invalid_byte() {
        assert_eq!(unescape(b"%41b c"), Err(ValueError::Unescaped(4)));
    }

    #[test]
    fn escapes_are_written_with_two_lower_case_digits() {
        assert_eq!(Escaped(b"/a-b_c.d\\e").to_string(), "/a-b_c.d\\e");
        assert_eq!(Escaped(b"\x00 %;,=:\xc3\xb6\n").to_string(), "%00%20%25%3b%2c%3d%3a%c3%b6%0a");
    }

    #[test]
    fn an_asterisk_is_parsed_without_an_escape_and_written_with_one() {
        assert_eq!(unescape(b"*"), Ok(b"*".to_vec()));
        assert_eq!(Escaped(b"*").to_string(), "%2a");
    }
}
