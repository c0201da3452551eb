//! A global that was bound.

use crate::wire::object_id::ObjectId;

/// The object that [`bind`](crate::Connection::bind) has created for a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Bound {
    /// The new object.
    pub id: ObjectId,
    /// The version of its interface: the highest that both ends have.
    pub version: u32,
}
