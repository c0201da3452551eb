//! A number of things in a message.

use std::fmt;

/// Shows a number and the singular or plural of a noun: "1 byte", "2 bytes".
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(number, noun) = self;
        let ending = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let shown = [0, 1, 2].map(|number| Count(number, "descriptor").to_string());
        assert_eq!(shown, ["0 descriptors", "1 descriptor", "2 descriptors"]);
    }
}
