//! A global of a compositor.

use std::ops::RangeInclusive;

use crate::bind_error::BindError;
use crate::opcodes::wl_registry;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireError;

/// A global of a compositor, which clients can bind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Global {
    /// Name of the global: a number. The compositor does not use it for another global before this global is
    /// removed.
    pub name: u32,
    /// Interface of the global, such as `wl_shm`. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub interface: String,
    /// Highest version that clients can bind.
    pub version: u32,
}

impl Global {
    pub(crate) fn new(name: u32, interface: impl Into<String>, version: u32) -> Global {
        Global { name, interface: interface.into(), version }
    }

    /// Returns the highest version in `wanted` that the compositor offers.
    pub(crate) fn negotiate(&self, wanted: RangeInclusive<u32>) -> Result<u32, BindError> {
        let version = self.version.min(*wanted.end());
        // No interface has a version 0.
        if version > 0 && wanted.contains(&version) {
            return Ok(version);
        }
        let Global { interface, version: offered, .. } = self;
        let (interface, offered) = (interface.clone(), *offered);
        Err(BindError::Version { interface, wanted, offered })
    }

    /// Builds the event with which a registry announces this global.
    pub(crate) fn announcement(&self, registry: ObjectId) -> Result<Message, WireError> {
        let Global { name, interface, version } = self;
        let event = Message::builder(registry, wl_registry::GLOBAL).uint(*name);
        event.string(interface).uint(*version).build().map_err(|error| error.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_negotiated() {
        let global = |version| Global::new(1, "wl_output", version);
        for (offered, wanted, version) in [
            (4, 1..=4, Some(4)),
            (4, 1..=9, Some(4)),
            (4, 2..=3, Some(3)),
            (4, 4..=u32::MAX, Some(4)),
            (4, 0..=1, Some(1)),
            (4, 5..=9, None),
            (4, 0..=0, None),
            (4, RangeInclusive::new(3, 2), None),
            (0, 0..=3, None),
        ] {
            let found = global(offered).negotiate(wanted.clone()).ok();
            assert_eq!(found, version, "{offered} {wanted:?}");
        }
    }
}
