//! The object ids of a client: which are in use, and for which interface.
//!
//! libwayland's server keeps the objects of a client in an array. It accepts a new id only if the id is
//! a free index of the array or the index after the last one, and disconnects a client that leaves a gap
//! ("invalid arguments"). An id is free again when the compositor sends `wl_display.delete_id`, not when
//! the client destroys the object: until then, events of the old object may arrive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::interface_name::InterfaceName;
use crate::wire::object_id::ObjectId;

/// The smallest id that a client allocates: 1 is the display.
const FIRST: u32 = 2;

/// The ids of a client, and the interface of each object.
///
/// Its memory depends on the number of ids in use at the same time, and not on the messages of the peer.
#[derive(Debug)]
pub(crate) struct ObjectTable {
    /// By id, from [`FIRST`].
    slots: Vec<Slot>,
    /// The ids below the end of `slots` that are free.
    free: BinaryHeap<Reverse<u32>>,
    /// The first id that a client must not allocate.
    end: u32,
}

#[derive(Debug)]
enum Slot {
    Free,
    Used { interface: InterfaceName, owner: Owner },
}

/// The owner of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The caller has created the object and receives its events.
    Caller,
    /// The connection has created the object and handles its events.
    Connection,
}

impl ObjectTable {
    pub(crate) const fn new() -> ObjectTable {
        let end = ObjectId::FIRST_OF_SERVER.get();
        ObjectTable { slots: Vec::new(), free: BinaryHeap::new(), end }
    }

    /// Makes `end` and all higher ids unavailable.
    #[cfg(test)]
    pub(crate) fn end_at(&mut self, end: u32) {
        self.end = end;
    }

    /// Takes the smallest free id. Returns `None` if all ids of a client are in use.
    pub(crate) fn take(&mut self, interface: InterfaceName, owner: Owner) -> Option<ObjectId> {
        let slot = Slot::Used { interface, owner };
        if let Some(Reverse(id)) = self.free.pop() {
            self.slots[(id - FIRST) as usize] = slot;
            return ObjectId::new(id);
        }
        let id = FIRST + u32::try_from(self.slots.len()).ok()?;
        if id >= self.end {
            return None;
        }
        self.slots.push(slot);
        ObjectId::new(id)
    }

    /// Makes an id free, and returns whether it was in use.
    pub(crate) fn free(&mut self, id: u32) -> bool {
        let Some(slot @ Slot::Used { .. }) = self.slot_mut(id) else { return false };
        *slot = Slot::Free;
        self.free.push(Reverse(id));
        true
    }

    /// Makes the caller the owner of an object of the connection.
    pub(crate) fn hand_over(&mut self, id: ObjectId) {
        if let Some(Slot::Used { owner, .. }) = self.slot_mut(id.get()) {
            *owner = Owner::Caller;
        }
    }

    /// Returns the interface and the owner of an object.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<(&InterfaceName, Owner)> {
        match self.slots.get(id.checked_sub(FIRST)? as usize)? {
            Slot::Used { interface, owner } => Some((interface, *owner)),
            Slot::Free => None,
        }
    }

    fn slot_mut(&mut self, id: u32) -> Option<&mut Slot> {
        self.slots.get_mut(id.checked_sub(FIRST)? as usize)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn take(table: &mut ObjectTable) -> Option<u32> {
        table.take(InterfaceName::Static("wl_surface"), Owner::Caller).map(ObjectId::get)
    }

    #[test]
    fn the_smallest_free_id_is_taken() {
        let mut table = ObjectTable::new();
        let ids: Vec<_> = (0..5).filter_map(|_| take(&mut table)).collect();
        assert_eq!(ids, [2, 3, 4, 5, 6]);
        assert!(table.free(5) && table.free(3));
        let ids: Vec<_> = (0..3).filter_map(|_| take(&mut table)).collect();
        assert_eq!(ids, [3, 5, 7]);
    }

    #[test]
    fn an_id_that_is_not_in_use_is_not_freed() {
        let mut table = ObjectTable::new();
        assert_eq!(take(&mut table), Some(2));
        assert!(table.free(2));
        for id in [0, 1, 2, 3, 0xfeff_ffff, 0xff00_0000, u32::MAX] {
            assert!(!table.free(id), "{id}");
        }
        assert_eq!((take(&mut table), take(&mut table)), (Some(2), Some(3)));
    }

    #[test]
    fn a_client_allocates_no_id_of_the_server() {
        let mut table = ObjectTable::new();
        assert_eq!(table.end, 0xff00_0000);
        table.end_at(4);
        assert_eq!([(); 3].map(|()| take(&mut table)), [Some(2), Some(3), None]);
        assert!(table.free(2));
        assert_eq!([(); 2].map(|()| take(&mut table)), [Some(2), None]);
    }

    #[test]
    fn taking_and_freeing_allocates_nothing_in_the_steady_state() {
        let mut table = ObjectTable::new();
        (0..8).for_each(|_| _ = take(&mut table));
        let mut round = || {
            (2..10).for_each(|id| assert!(table.free(id)));
            (0..8).for_each(|_| assert!(take(&mut table).is_some()));
        };
        round();
        assert_eq!(allocation_counter::measure(round).count_total, 0);
    }

    #[test]
    fn a_freed_object_has_no_interface() {
        let mut table = ObjectTable::new();
        take(&mut table);
        assert_eq!(table.get(2).map(|(name, _)| name.as_str()), Some("wl_surface"));
        table.free(2);
        assert!([0, 1, 2, 3, u32::MAX].iter().all(|id| table.get(*id).is_none()));
    }
}
