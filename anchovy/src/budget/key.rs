//! Keys of accounts.

use std::fmt;

/// The key of an [`Account`](super::Account) in a [`Budget`](super::Budget).
///
/// By default a peer is charged to the account of its uid, so all connections of one user share
/// one account.
///
/// # Examples
///
/// ```
/// use anchovy::AccountKey;
///
/// assert_eq!(AccountKey::from(1000), AccountKey::Uid(1000));
/// let tenant = AccountKey::Other(7); // a number that the program has chosen
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccountKey {
    /// The peers with this user id, as reported by the kernel (`SO_PEERCRED`, unix(7)).
    Uid(u32),
    /// A number that the program chooses, for example for a tenant, a container or a single
    /// connection.
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
