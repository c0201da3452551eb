//! The value of a header field that was refused.

use std::fmt;

/// Number of characters of a refused value that are kept. A peer may send a value of 64 MiB.
const MAX_KEPT: usize = 64;

/// The value of a header field that was refused, as text. Only its first 64 characters are kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RefusedValue {
    text: Box<str>,
    is_cut: bool,
    /// The rule that the value breaks, if it is a name or a path.
    pub(super) rule: Option<&'static str>,
}

impl RefusedValue {
    #[cold]
    pub(crate) fn new(value: &[u8], rule: Option<&'static str>) -> RefusedValue {
        // A character has at most four bytes.
        let start = &value[..value.len().min(4 * MAX_KEPT)];
        let text = String::from_utf8_lossy(start);
        let kept: String = text.chars().take(MAX_KEPT).collect();
        let is_cut = kept.len() < text.len() || start.len() < value.len();
        RefusedValue { text: kept.into(), is_cut, rule }
    }

    /// Returns the first 64 characters of the value.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for RefusedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.text, if self.is_cut { "..." } else { "" })
    }
}

impl fmt::Debug for RefusedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &[u8]) -> String {
        RefusedValue::new(value, None).to_string()
    }

    #[test]
    fn the_text_of_a_refused_value_has_64_characters_at_most() {
        let text = |value: &str| RefusedValue::new(value.as_bytes(), None).text().to_owned();
        assert_eq!(text("a\nb"), "a\nb");
        assert_eq!(text(&"ä".repeat(65)), "ä".repeat(64));
    }

    #[test]
    fn a_refused_value_is_quoted_and_cut_after_64_characters() {
        assert_eq!(shown(b"a\nb"), r#""a\nb""#);
        assert_eq!(shown(b"\xff"), "\"\u{fffd}\"");
        let most = "ä".repeat(64);
        assert_eq!(shown(most.as_bytes()), format!("{most:?}"));
        assert_eq!(shown("ä".repeat(65).as_bytes()), format!("{most:?}..."));
        assert_eq!(shown("ä".repeat(5000).as_bytes()), format!("{most:?}..."));
    }
}
