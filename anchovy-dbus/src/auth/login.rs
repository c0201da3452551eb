//! The identity that a client authenticates as.

use super::mechanism::Mechanism;

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
    /// `EXTERNAL` without a uid: the server takes the uid that the kernel reports.
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
