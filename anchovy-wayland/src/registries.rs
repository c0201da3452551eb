//! The registries of one client of a compositor.
//!
//! Each registry announces all current globals, and later each change. Requests are checked as libwayland
//! checks them, and errors have its texts. The caller manages the objects.

use crate::display_error::DisplayError;
use crate::global::Global;
use crate::globals::Globals;
use crate::opcodes::{wl_callback, wl_display, wl_registry};
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;

/// Maximum number of registries of one client.
///
/// A client usually has one for each library that uses Wayland.
pub const MAX_REGISTRIES: usize = 256;

/// The registries of one client.
///
/// See [`Connection::roundtrip`](crate::Connection::roundtrip) for an example with both sides.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    ids: Vec<ObjectId>,
}

/// The answer to a request of a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// Events to send to the client, in order.
    Events(Vec<Message>),
    /// A request for a new object, which the caller creates.
    Bind(Bind),
    /// The request is for another object, and the caller handles it.
    Other,
}

/// A valid `wl_registry.bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bind {
    /// Name of the global.
    pub name: u32,
    /// Interface of the global and of the new object.
    pub interface: String,
    /// Version of the new object, at most that of the global.
    pub version: u32,
    /// Id of the new object.
    pub id: ObjectId,
}

impl Registries {
    /// Creates a list without registries.
    pub const fn new() -> Registries {
        Registries { ids: Vec::new() }
    }

    /// Answers the requests of the display (`sync`, `get_registry`) and of the registries (`bind`).
    ///
    /// The answer to `sync` is `wl_callback.done` and `wl_display.delete_id`, so the id of the callback is
    /// free again.
    ///
    /// # Errors
    ///
    /// Returns a [`DisplayError`] in the following cases. [Send](DisplayError::message) it before you
    /// disconnect the client.
    ///
    /// - The opcode is unknown, or the request is malformed.
    /// - The new id belongs to the server, or it is the id of the display or of a registry. The caller checks
    ///   whether another object has this id.
    /// - The client has [`MAX_REGISTRIES`] registries.
    /// - No global has the name in the `bind` request, the global with this name has another interface or a
    ///   lower version than the request, or the version in the request is 0.
    pub fn answer(&mut self, globals: &Globals, request: &Message) -> Result<Answer, DisplayError> {
        let (object, opcode) = (request.object(), request.opcode());
        match opcode {
            wl_display::SYNC if object == ObjectId::DISPLAY => {
                let id = self.new_id(request, "wl_display", "sync")?;
                Ok(Answer::Events(vec![
                    event(id, wl_callback::DONE, 0),
                    event(ObjectId::DISPLAY, wl_display::DELETE_ID, id.get()),
                ]))
            }
            wl_display::GET_REGISTRY if object == ObjectId::DISPLAY => {
                let id = self.new_id(request, "wl_display", "get_registry")?;
                if self.ids.len() >= MAX_REGISTRIES {
                    let text = format!("more than {MAX_REGISTRIES} registries");
                    return Err(DisplayError::new(object, DisplayError::NO_MEMORY, text));
                }
                self.ids.push(id);
                Ok(Answer::Events(globals.iter().map(|global| announced(id, global)).collect()))
            }
            _ if object == ObjectId::DISPLAY => Err(no_method(request, "wl_display")),
            wl_registry::BIND if self.ids.contains(&object) => {
                self.bind(globals, request).map(Answer::Bind)
            }
            _ if self.ids.contains(&object) => Err(no_method(request, "wl_registry")),
            _ => Ok(Answer::Other),
        }
    }

    /// Builds the events that announce a global, one for each registry. Returns no events if there is no
    /// global with this name.
    pub fn added(&self, globals: &Globals, name: u32) -> Vec<Message> {
        let global = globals.get(name).into_iter();
        global.flat_map(|global| self.ids.iter().map(|id| announced(*id, global))).collect()
    }

    /// Builds the events that announce that a global was withdrawn or removed, one for each registry.
    ///
    /// Send them once: when the global is withdrawn, or, if it is not withdrawn, when it is removed.
    pub fn removed(&self, name: u32) -> Vec<Message> {
        self.ids.iter().map(|id| event(*id, wl_registry::GLOBAL_REMOVE, name)).collect()
    }

    /// Removes a registry that the client has destroyed (`wl_fixes.destroy_registry`). Returns whether the
    /// object was a registry.
    pub fn forget(&mut self, id: ObjectId) -> bool {
        let before = self.ids.len();
        self.ids.retain(|other| *other != id);
        self.ids.len() < before
    }

    /// Returns the ids of the registries, in the order of their creation.
    pub fn ids(&self) -> &[ObjectId] {
        &self.ids
    }

    fn new_id(
        &self,
        request: &Message,
        interface: &str,
        method: &str,
    ) -> Result<ObjectId, DisplayError> {
        let id = request.read_plain(|arguments| arguments.new_id()).ok();
        id.filter(|id| self.may_be_new(*id)).ok_or_else(|| malformed(request, interface, method))
    }

    fn may_be_new(&self, id: ObjectId) -> bool {
        id != ObjectId::DISPLAY && !id.is_of_server() && !self.ids.contains(&id)
    }

    fn bind(&self, globals: &Globals, request: &Message) -> Result<Bind, DisplayError> {
        let bind = request.read_plain(|arguments| {
            let name = arguments.uint()?;
            let (interface, version, id) = arguments.untyped_new_id()?;
            let interface = interface.to_string_lossy().into_owned();
            Ok(Bind { name, interface, version, id })
        });
        let bind = bind.ok().filter(|bind| self.may_be_new(bind.id));
        let bind = bind.ok_or_else(|| malformed(request, "wl_registry", "bind"))?;

        // The texts are libwayland's.
        let Bind { name, interface, version, .. } = &bind;
        let text = match globals.get(*name) {
            None => format!("invalid global {interface} ({name})"),
            Some(global) if global.interface != *interface => format!(
                "invalid interface for global {name}: have {interface}, wanted {}",
                global.interface
            ),
            Some(_) if *version == 0 => {
                format!("invalid version for global {interface} ({name}): 0 is not a valid version")
            }
            Some(global) if global.version < *version => format!(
                "invalid version for global {interface} ({name}): have {}, wanted {version}",
                global.version
            ),
            Some(_) => return Ok(bind),
        };
        Err(DisplayError::new(request.object(), DisplayError::INVALID_OBJECT, text))
    }
}

fn announced(registry: ObjectId, global: &Global) -> Message {
    let event = global.announcement(registry);
    event.expect("add checked that the global can be announced")
}

/// Builds an event with one `uint`.
fn event(object: ObjectId, opcode: u16, number: u32) -> Message {
    Message::builder(object, opcode).uint(number).build().expect("a short message")
}

fn malformed(request: &Message, interface: &str, method: &str) -> DisplayError {
    let text = format!("invalid arguments for {interface}#{}.{method}", request.object());
    DisplayError::new(ObjectId::DISPLAY, DisplayError::INVALID_METHOD, text)
}

fn no_method(request: &Message, interface: &str) -> DisplayError {
    let (object, opcode) = (request.object(), request.opcode());
    let text = format!("invalid method {opcode}, object {interface}#{object}");
    DisplayError::new(ObjectId::DISPLAY, DisplayError::INVALID_METHOD, text)
}
