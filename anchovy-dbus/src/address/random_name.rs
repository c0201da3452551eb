//! Names that nobody can take beforehand, for sockets in directories that others may write to.

use std::io;

/// What a random name is made of, and how many of these.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const RANDOM_LETTERS: usize = 10;

/// `dbus-` (D-Bus Specification, "Unix Domain Sockets") and random letters and digits.
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

/// The letter of a random byte, and none for those that would make some letters more likely.
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
