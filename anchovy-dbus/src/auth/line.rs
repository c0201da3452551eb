//! The syntax of a line of the handshake: commands, arguments and uids.

/// Parses a uid of `EXTERNAL`: decimal digits, in the one form that all parsers read in the same way.
pub(super) fn parse_uid(text: &[u8]) -> Option<u32> {
    let plain = text.iter().all(u8::is_ascii_digit);
    if !plain || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns the command of a line, and its arguments after one space. Returns `None` for a line with
/// bytes other than printable ASCII, or a command with characters other than `A` to `Z` and `_`.
pub(super) fn command(line: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let (command, arguments) = match line.iter().position(|&byte| byte == b' ') {
        Some(blank) => (&line[..blank], Some(&line[blank + 1..])),
        None => (line, None),
    };
    let known = !command.is_empty() && command.iter().all(|b| matches!(b, b'A'..=b'Z' | b'_'));
    known.then_some((command, arguments))
}

/// Returns the start of a line of the peer, with escapes for control characters.
pub(super) fn printable(line: &[u8]) -> String {
    const MOST: usize = 80;
    let shown = line[..line.len().min(MOST)].escape_ascii().to_string();
    if line.len() > MOST { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_exactly_one_valid_form() {
        for (text, meaning) in [("0", 0), ("7", 7), ("1000", 1000), ("4294967295", u32::MAX)] {
            assert_eq!(parse_uid(text.as_bytes()), Some(meaning));
        }
        for text in ["", "+0", " 0", "00", "01", "0x0", "root", "-1", "4294967296", "1 "] {
            assert_eq!(parse_uid(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn hex_is_two_digits_a_byte_of_either_case() {
        assert_eq!(hex::decode(b"").unwrap(), b"");
        assert_eq!(hex::decode(b"3AfF").unwrap(), [0x3a, 0xff]);
        for digits in [&b"3"[..], b"zz", b"3 ", b" 3", b"+3", b"333"] {
            assert!(hex::decode(digits).is_err(), "{digits:?}");
        }
        assert_eq!(hex::encode("\x0f0"), "0f30");
    }

    #[test]
    fn a_line_is_a_command_a_space_and_arguments() {
        assert_eq!(command(b"BEGIN"), Some((&b"BEGIN"[..], None)));
        assert_eq!(command(b"BEGIN "), Some((&b"BEGIN"[..], Some(&b""[..]))));
        assert_eq!(command(b"AUTH  X"), Some((&b"AUTH"[..], Some(&b" X"[..]))));
        for line in [&b""[..], b" AUTH", b"auth", b"AUTH\tX", b"AUTH \0", b"AUTH \x80", b"A\rB"] {
            assert_eq!(command(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_long_line_is_shortened_for_display() {
        assert_eq!(printable(b"OK\x1b[2J"), "OK\\x1b[2J");
        assert_eq!(printable(&[b'x'; 80]), "x".repeat(80));
        assert_eq!(printable(&[b'x'; 200]).chars().count(), 81);
    }
}
