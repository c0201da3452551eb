//! A global that was bound.

use crate::wire::object_id::ObjectId;

/// The object that [`bind`](crate::Connection::bind) has created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Bound {
    /// Id of the new object.
    pub id: ObjectId,
    /// Version of its interface: the highest that both the caller and the compositor support.
    pub version: u32,
}
