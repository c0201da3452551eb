//! Which numbers a client may give to its objects.
//!
//! libwayland keeps the objects of a client in an array, and takes a new number only if it is that of
//! a free place or of the one behind the last: a client that leaves one out is disconnected
//! ("invalid arguments"). A number is free again when the compositor says so, by
//! `wl_display.delete_id`, and not when the client destroys the object: until then, events for the
//! old object may be under way.

use std::collections::BTreeSet;

use crate::opcodes::wl_display;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireError;

/// The numbers of a client's objects: the smallest that is free, from 2.
///
/// It grows with the numbers that were given at the same time, and never with what a peer sends.
///
/// ```
/// use anchovy_wayland::ClientIds;
///
/// let mut ids = ClientIds::new();
/// let (first, second) = (ids.take().expect("a number"), ids.take().expect("a number"));
/// assert_eq!((first.get(), second.get()), (2, 3));
///
/// ids.free(first);
/// assert_eq!(ids.take(), Some(first));
/// ```
#[derive(Clone, Debug)]
pub struct ClientIds {
    /// The first that was never given.
    next: u32,
    /// Those below it that are free again.
    freed: BTreeSet<u32>,
}

/// 1 is the display.
const FIRST: u32 = 2;

impl ClientIds {
    /// All numbers are free, but for the display's.
    pub const fn new() -> ClientIds {
        ClientIds { next: FIRST, freed: BTreeSet::new() }
    }

    /// The same, with all below this one taken.
    #[cfg(test)]
    pub(crate) const fn with_first(next: u32) -> ClientIds {
        ClientIds { next, freed: BTreeSet::new() }
    }

    /// The smallest number that is free; none when the client has all that are not of the server.
    ///
    /// It is to be in a request at once, and before any that is taken later: the numbers that a
    /// compositor sees must have no gap.
    pub fn take(&mut self) -> Option<ObjectId> {
        if let Some(id) = self.freed.pop_first() {
            return ObjectId::new(id);
        }
        let id = ObjectId::new(self.next).filter(|id| !id.is_of_server())?;
        self.next += 1;
        Some(id)
    }

    /// Makes a number free, and returns whether it was taken.
    ///
    /// That is for who handles `wl_display.delete_id` himself; see [`update`](Self::update).
    pub fn free(&mut self, id: ObjectId) -> bool {
        self.is_taken(id) && self.freed.insert(id.get())
    }

    /// Returns whether this number is taken.
    pub fn is_taken(&self, id: ObjectId) -> bool {
        (FIRST..self.next).contains(&id.get()) && !self.freed.contains(&id.get())
    }

    /// Makes a number free if this is a `wl_display.delete_id`, and says which.
    ///
    /// One that is not taken is passed over, as libwayland does.
    ///
    /// # Errors
    ///
    /// [`WireError`], if that is what it is, and malformed.
    ///
    /// ```
    /// use anchovy_wayland::opcodes::wl_display;
    /// use anchovy_wayland::{ClientIds, Message, ObjectId};
    ///
    /// let mut ids = ClientIds::new();
    /// let id = ids.take().expect("a number");
    /// let event = Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID).uint(2).build()?;
    /// assert_eq!(ids.update(&event)?, Some(id));
    /// assert!(!ids.is_taken(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(&mut self, event: &Message) -> Result<Option<ObjectId>, WireError> {
        if !event.is(ObjectId::DISPLAY, wl_display::DELETE_ID) {
            return Ok(None);
        }
        let id = event.read_plain(|arguments| arguments.uint())?;
        Ok(ObjectId::new(id).filter(|id| self.free(*id)))
    }
}

impl Default for ClientIds {
    fn default() -> ClientIds {
        ClientIds::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_all_numbers_up_to_the_servers() {
        let mut ids = ClientIds::with_first(0xfeff_ffff);
        assert_eq!(ids.take().map(ObjectId::get), Some(0xfeff_ffff));
        assert_eq!((ids.take(), ids.take()), (None, None));
        let free = ObjectId::new(7).expect("not 0");
        assert!(ids.free(free));
        assert_eq!((ids.take(), ids.take()), (Some(free), None));
    }
}
