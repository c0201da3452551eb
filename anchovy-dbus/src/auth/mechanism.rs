//! The SASL mechanisms.

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
