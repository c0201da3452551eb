//! The identity that a client authenticates as.

use super::mechanism::Mechanism;

/// The identity that a client authenticates as.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::auth::Login;
///
/// // The uid that this user has in the user namespace of the server.
/// let mapped = Login::ExternalUid(100_000);
/// assert_ne!(Login::default(), mapped);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Login {
    /// `EXTERNAL` without a uid: the server uses the uid that the kernel reports.
    ///
    /// If the server is in another user namespace, this user can have another uid there. With this form, the
    /// client need not know that uid. Servers that use GDBus before 2.73.3 require
    /// [`ExternalUid`](Self::ExternalUid).
    #[default]
    External,
    /// `EXTERNAL` with this uid, which the server compares with the uid that the kernel reports. Both
    /// are uids in the user namespace of the server.
    ExternalUid(u32),
    /// `ANONYMOUS`: no identity.
    Anonymous,
}

impl Login {
    /// Returns the mechanism.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Login::External | Login::ExternalUid(_) => Mechanism::External,
            Login::Anonymous => Mechanism::Anonymous,
        }
    }

    /// Returns the initial response. An empty response cannot be sent with `AUTH` (D-Bus Specification,
    /// "EXTERNAL"), so the server requests it with `DATA`.
    pub(super) fn response(self) -> Option<String> {
        match self {
            Login::External => None,
            Login::ExternalUid(uid) => Some(uid.to_string()),
            // "Trace information" of RFC 4505.
            Login::Anonymous => Some("anchovy".to_owned()),
        }
    }
}
