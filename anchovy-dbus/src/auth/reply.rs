//! A server's reply to a client.

use crate::guid::Guid;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The client is let in, by the server with this guid.
    Accepted(Guid),
    /// The client is not let in; the mechanisms that the server names, separated by blanks.
    Rejected(String),
    /// Descriptors may pass, or may not.
    UnixFds(bool),
}
