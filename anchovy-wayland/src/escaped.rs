//! Text of a peer, shown on one line.

use std::fmt::{self, Write};

/// Shows text with its control characters escaped, so that it cannot break the line or change a terminal.
#[derive(Debug)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character.is_control() {
            true => character.escape_debug().fmt(f),
            false => f.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_escaped() {
        let shown = Escaped("it's \"wl_shm\"\n\u{1b}[2J").to_string();
        assert_eq!(shown, "it's \"wl_shm\"\\n\\u{1b}[2J");
    }
}
