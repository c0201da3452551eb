//! The objects of a client, which both halves of its connection share.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::display_error::DisplayError;
use crate::fds;
use crate::interface_name::InterfaceName;
use crate::object_table::{ObjectTable, Owner};
use crate::opcodes::wl_display;
use crate::signature_source::sealed::Sealed;
use crate::signature_source::{Admission, Origin, SignatureSource};
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// The objects of a client: the ids that are in use, and the interface of each object.
///
/// This type allocates ids and determines the number of descriptors of each event, from the interface
/// of the object and the table [`fds`](mod@crate::fds). It does not implement the interfaces.
/// [`Connection::connect`](crate::Connection::connect) and
/// [`Connection::client`](crate::Connection::client) create it. Both halves of a connection share it.
///
/// Events of objects that the compositor has created, and of unknown objects, are received without
/// descriptors. In the protocols of the table, objects that a compositor creates have no events with
/// descriptors.
pub struct Objects {
    table: Arc<Mutex<ObjectTable>>,
    /// The number of descriptors of events that are in no published protocol.
    event_fds: Option<Arc<EventFds>>,
    /// The owner of the object that sent the last message.
    last: Owner,
}

/// The number of descriptors of an event, by interface and opcode.
type EventFds = dyn Fn(&str, u16) -> usize + Send + Sync;

impl Objects {
    pub(crate) fn new() -> Objects {
        let table = Arc::new(Mutex::new(ObjectTable::new()));
        Objects { table, event_fds: None, last: Owner::Caller }
    }

    /// Returns the same objects, for the other half.
    pub(crate) fn share(&self) -> Objects {
        Objects { table: Arc::clone(&self.table), event_fds: None, last: Owner::Caller }
    }

    pub(crate) fn set_event_fds(
        &mut self,
        count: impl Fn(&str, u16) -> usize + Send + Sync + 'static,
    ) {
        self.event_fds = Some(Arc::new(count));
    }

    /// Makes `end` and all higher ids unavailable.
    #[cfg(test)]
    pub(crate) fn end_at(&self, end: u32) {
        self.table().end_at(end);
    }

    /// Returns the interface of an object.
    pub(crate) fn interface(&self, id: u32) -> Option<Cow<'static, str>> {
        if id == ObjectId::DISPLAY.get() {
            return Some(Cow::Borrowed("wl_display"));
        }
        Some(match self.table().get(id)?.0 {
            InterfaceName::Static(name) => Cow::Borrowed(name),
            InterfaceName::Shared(name) => Cow::Owned(name.to_string()),
        })
    }

    /// Takes the smallest free id. It is free again if the reservation is dropped unused.
    pub(crate) fn reserve(
        &self,
        interface: InterfaceName,
        owner: Owner,
    ) -> Option<Reservation<'_>> {
        let id = self.table().take(interface, owner)?;
        Some(Reservation { objects: self, id, is_used: false })
    }

    /// Makes an id free.
    pub(crate) fn free(&self, id: ObjectId) {
        self.table().free(id.get());
    }

    /// Makes the caller the owner of an object of the connection. It receives the later events.
    pub(crate) fn hand_over(&self, id: ObjectId) {
        self.table().hand_over(id);
    }

    /// No code of the caller runs while the lock is held, so a poisoned table is consistent.
    fn table(&self) -> MutexGuard<'_, ObjectTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id that was taken for a message that is being built.
#[derive(Debug)]
#[must_use = "the id is free again when this is dropped"]
pub(crate) struct Reservation<'a> {
    objects: &'a Objects,
    id: ObjectId,
    is_used: bool,
}

impl Reservation<'_> {
    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    /// Marks the id as used: its message is in the send buffer.
    pub(crate) fn into_used(mut self) -> ObjectId {
        self.is_used = true;
        self.id
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.objects.free(self.id);
        }
    }
}

impl Sealed for Objects {}

impl SignatureSource for Objects {
    type Ids = Objects;

    const IS_CLIENT: bool = true;

    #[inline]
    fn count(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.last = Owner::Caller;
        if object == ObjectId::DISPLAY || object.is_of_server() {
            return 0;
        }
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((interface, owner)) = table.get(object.get()) else { return 0 };
        self.last = owner;
        match (fds::events(interface.as_str(), opcode), &self.event_fds) {
            (0, Some(event_fds)) => {
                // The caller's function must not run under the lock.
                let interface = interface.clone();
                drop(table);
                event_fds(interface.as_str(), opcode)
            }
            (count, _) => count,
        }
    }

    #[inline]
    fn admit(&mut self, message: &Message, origin: Origin) -> Result<Admission, WireError> {
        if message.object() == ObjectId::DISPLAY {
            return self.admit_of_display(message, origin);
        }
        // Kept messages are for the caller.
        match (self.last, origin) {
            (Owner::Connection, Origin::Socket | Origin::SocketAfterKept) => {
                Ok(Admission::Internal)
            }
            _ => Ok(Admission::Event),
        }
    }
}

impl Objects {
    fn admit_of_display(&self, event: &Message, origin: Origin) -> Result<Admission, WireError> {
        if let Some(error) = DisplayError::read(event)? {
            let interface = self.interface(error.object).map(Cow::into_owned);
            return Ok(Admission::Display(DisplayError { interface, ..error }));
        }
        if event.opcode() != wl_display::DELETE_ID {
            return Err(event.error(WireErrorKind::UnknownOpcode));
        }
        let id = event.read_plain(|arguments| arguments.uint())?;
        let mut table = self.table();
        let is_of_caller = matches!(table.get(id), Some((_, Owner::Caller)));
        if is_of_caller && origin == Origin::SocketAfterKept {
            // The kept messages may contain events of the old object. The caller must not take them for
            // events of a new object, so the id stays in use until they have been received.
            return Ok(Admission::Event);
        }
        // An id that is not in use is ignored. libwayland's client logs "received delete_id for unknown
        // id" and ignores it, too (`display_handle_delete_id` in wayland-client.c, 1.21.0). Ids of the
        // server are never in the table. libwayland only marks the proxy of a live one as deleted.
        table.free(id);
        Ok(Admission::Handled)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}
