//! A number of descriptors in the text of an error.

use std::fmt;

/// Displays a number of descriptors: "1 descriptor", "2 descriptors".
pub(crate) struct Descriptors(pub(crate) usize);

impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 descriptor"),
            count => write!(f, "{count} descriptors"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_descriptor_is_in_the_singular() {
        let texts = [0, 1, 2].map(|count| Descriptors(count).to_string());
        assert_eq!(texts, ["0 descriptors", "1 descriptor", "2 descriptors"]);
    }
}
