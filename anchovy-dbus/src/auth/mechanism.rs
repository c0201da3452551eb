//! The SASL mechanisms.

use std::fmt;

/// A SASL mechanism, by which a client authenticates.
///
/// `DBUS_COOKIE_SHA1` is not supported. It reads files that the peer names, which led to
/// vulnerabilities (CVE-2019-12749), and Unix sockets do not need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// `EXTERNAL`: the kernel reports the uid of the client.
    External,
    /// `ANONYMOUS`: the client has no identity.
    Anonymous,
}

impl Mechanism {
    /// Returns the mechanism with this name, in capital letters.
    ///
    /// # Examples
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

    /// Returns the name, in capital letters.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_is_found_by_its_name() {
        for mechanism in [Mechanism::External, Mechanism::Anonymous] {
            assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        }
        for name in ["", "external", "DBUS_COOKIE_SHA1"] {
            assert_eq!(Mechanism::named(name), None, "{name:?}");
        }
    }
}
