//! A number of descriptors in the text of an error.

use std::fmt;

/// Displays a number with its noun: "1 descriptor", "2 descriptors".
pub(crate) struct Descriptors(pub(crate) usize);

impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptor{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}
