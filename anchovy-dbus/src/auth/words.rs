//! The words of the lines: mechanisms, identities, hex.

use std::fmt;

/// A way to say who the client is.
///
/// Cookies (`DBUS_COOKIE_SHA1`) are not among them: files that the other end names have been the
/// way into too many programs (CVE-2019-12749), and a Unix socket needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// `EXTERNAL`: the kernel says who it is.
    External,
    /// `ANONYMOUS`: nobody does.
    Anonymous,
}

impl Mechanism {
    /// The mechanism with this name, in capitals.
    ///
    /// ```
    /// use anchovy_dbus::auth::Mechanism;
    ///
    /// assert_eq!(Mechanism::named("EXTERNAL"), Some(Mechanism::External));
    /// assert_eq!(Mechanism::named("DBUS_COOKIE_SHA1"), None);
    /// ```
    pub fn named(name: &str) -> Option<Mechanism> {
        [Mechanism::External, Mechanism::Anonymous].into_iter().find(|known| known.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::Anonymous => "ANONYMOUS",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a client says who it is.
///
/// ```
/// use anchovy_dbus::auth::Login;
///
/// // A bus that looks the uid up in a user namespace of its own.
/// let mapped = Login::ExternalUid(100_000);
/// assert_ne!(Login::default(), mapped);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Login {
    /// `EXTERNAL` without a uid: whoever the kernel says.
    ///
    /// The only form that works across user namespaces, where the two ends have different numbers
    /// for one user. Servers of GDBus before 2.73.3 want a number.
    #[default]
    External,
    /// `EXTERNAL` with this uid, which the server compares with what the kernel says.
    ExternalUid(u32),
    /// `ANONYMOUS`.
    Anonymous,
}

impl Login {
    /// The mechanism that it uses.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Login::External | Login::ExternalUid(_) => Mechanism::External,
            Login::Anonymous => Mechanism::Anonymous,
        }
    }

    /// What is said along with the mechanism; nothing cannot be said (D-Bus Specification,
    /// "EXTERNAL"), and is asked for.
    pub(super) fn response(self) -> Option<String> {
        match self {
            Login::External => None,
            Login::ExternalUid(uid) => Some(uid.to_string()),
            // "Trace information" of RFC 4505.
            Login::Anonymous => Some("anchovy".to_owned()),
        }
    }
}

/// Two hex digits for each byte.
pub(super) fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that these hex digits stand for.
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if digits.len() % 2 != 0 {
        return None;
    }
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A uid as `EXTERNAL` has it: decimal, with nothing that another reader could read otherwise.
pub(super) fn uid(text: &[u8]) -> Option<u32> {
    let plain = text.iter().all(u8::is_ascii_digit);
    if !plain || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The command of a line, and its arguments behind one blank; nothing for a line that has other
/// bytes than printable ASCII, or a command of other characters than `A` to `Z` and `_`.
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

/// A line of the other end for people to read: short, and without control characters.
pub(super) fn printable(line: &[u8]) -> String {
    const MOST: usize = 80;
    let shown = line[..line.len().min(MOST)].escape_ascii().to_string();
    if line.len() > MOST { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_one_way_to_be_written() {
        for (text, meaning) in [("0", 0), ("7", 7), ("1000", 1000), ("4294967295", u32::MAX)] {
            assert_eq!(uid(text.as_bytes()), Some(meaning));
        }
        for text in ["", "+0", " 0", "00", "01", "0x0", "root", "-1", "4294967296", "1 "] {
            assert_eq!(uid(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn hex_is_two_digits_a_byte_of_either_case() {
        assert_eq!(from_hex(b"").unwrap(), b"");
        assert_eq!(from_hex(b"3AfF").unwrap(), [0x3a, 0xff]);
        for digits in [&b"3"[..], b"zz", b"3 ", b" 3", b"+3", b"333"] {
            assert_eq!(from_hex(digits), None, "{digits:?}");
        }
        assert_eq!(to_hex("\x0f0"), "0f30");
    }

    #[test]
    fn a_line_is_a_command_a_blank_and_arguments() {
        assert_eq!(command(b"BEGIN"), Some((&b"BEGIN"[..], None)));
        assert_eq!(command(b"BEGIN "), Some((&b"BEGIN"[..], Some(&b""[..]))));
        assert_eq!(command(b"AUTH  X"), Some((&b"AUTH"[..], Some(&b" X"[..]))));
        for line in [&b""[..], b" AUTH", b"auth", b"AUTH\tX", b"AUTH \0", b"AUTH \x80", b"A\rB"] {
            assert_eq!(command(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_for_people() {
        assert_eq!(printable(b"OK\x1b[2J"), "OK\\x1b[2J");
        assert_eq!(printable(&[b'x'; 200]).chars().count(), 81);
    }
}
