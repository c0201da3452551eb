//! Something that a compositor has, as both ends know it.

use crate::opcodes::wl_registry;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireError;

/// Something that a compositor has, and clients bind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Global {
    /// Which it is, to this compositor; given anew only after it was removed, if ever.
    pub name: u32,
    /// Its interface, as `wl_shm`. What is not UTF-8 in it is replaced.
    pub interface: String,
    /// The highest version of the interface that can be bound.
    pub version: u32,
}

impl Global {
    pub(crate) fn new(name: u32, interface: impl Into<String>, version: u32) -> Global {
        Global { name, interface: interface.into(), version }
    }

    /// The event by which this registry announces it.
    pub(crate) fn announcement(&self, registry: ObjectId) -> Result<Message, WireError> {
        let Global { name, interface, version } = self;
        let event = Message::builder(registry, wl_registry::GLOBAL).uint(*name);
        event.string(interface).uint(*version).build().map_err(|error| error.error)
    }
}
