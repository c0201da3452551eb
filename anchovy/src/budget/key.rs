//! Whom something is charged to.

use std::fmt;

/// What identifies an [`Account`](super::Account) of a [`Budget`](super::Budget).
///
/// By default a peer's account is that of its uid: all connections of one user share one account.
///
/// ```
/// use anchovy::AccountKey;
///
/// assert_eq!(AccountKey::from(1000), AccountKey::Uid(1000));
/// let tenant = AccountKey::Other(7); // a number with a meaning of the program's own
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccountKey {
    /// The peers of a user id, as the kernel names it (`SO_PEERCRED`, unix(7)).
    Uid(u32),
    /// A number with a meaning of the program's own: a tenant, a container, a single connection.
    Other(u64),
}

impl From<u32> for AccountKey {
    fn from(uid: u32) -> AccountKey {
        AccountKey::Uid(uid)
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountKey::Uid(uid) => write!(f, "uid {uid}"),
            AccountKey::Other(number) => write!(f, "account {number}"),
        }
    }
}
