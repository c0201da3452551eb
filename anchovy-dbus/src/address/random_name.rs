//! Unpredictable names for sockets in directories that other users can write to.

use std::io;

/// The characters of a random name, and their number.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const RANDOM_LETTERS: usize = 10;

/// Returns `dbus-` (D-Bus Specification, "Unix Domain Sockets") and random letters and digits.
pub(super) fn random_name() -> io::Result<String> {
    let mut name = String::from("dbus-");
    let end = name.len() + RANDOM_LETTERS;
    while name.len() < end {
        let mut bytes = [0; RANDOM_LETTERS];
        getrandom::fill(&mut bytes)?;
        name.extend(bytes.into_iter().filter_map(letter).take(end - name.len()));
    }
    Ok(name)
}

/// Returns the letter of a random byte. Returns `None` for bytes that would make some letters more
/// likely.
fn letter(byte: u8) -> Option<char> {
    let byte = usize::from(byte);
    let fair = 256 - 256 % LETTERS.len();
    (byte < fair).then(|| char::from(LETTERS[byte % LETTERS.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_of_a_random_name_is_more_likely_than_another() {
        let all: Vec<_> = (0..=u8::MAX).filter_map(letter).collect();
        for &one in LETTERS {
            assert_eq!(all.iter().filter(|&&other| other == char::from(one)).count(), 4);
        }
        assert_eq!(all.len(), 4 * 62);
    }
}
