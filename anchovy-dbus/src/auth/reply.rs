//! A server's reply to a client.

use crate::guid::Guid;

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The server with this guid accepted the client (`OK`).
    Accepted(Guid),
    /// The server rejected the client (`REJECTED`). Contains the mechanisms that the server lists,
    /// separated by spaces.
    Rejected(String),
    /// The server agreed to descriptor passing (`true`) or did not (`false`).
    UnixFds(bool),
}
