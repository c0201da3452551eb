//! What a compositor has, as it tells its clients.
//!
//! One list is for all clients; each client has registries of its own, as many as it has asked for,
//! and each of them is told all globals, and from then on what changes. What a client asks for is
//! checked here as libwayland checks it, and refused with its words; objects are made by the user.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;

use crate::display::DisplayError;
use crate::error::WireError;
use crate::limits::MAX_MESSAGE_BYTES;
use crate::opcodes::{wl_callback, wl_display, wl_registry};
use crate::registry::Global;
use crate::wire::{Message, ObjectId};

/// The most registries that one client may have.
///
/// Clients have one for each library that speaks Wayland.
pub const MAX_REGISTRIES: usize = 256;

/// The globals of a compositor.
///
/// ```
/// use anchovy_wayland::Globals;
///
/// let mut globals = Globals::new();
/// let compositor = globals.add("wl_compositor", 6)?.name;
/// let output = globals.add("wl_output", 4)?.name;
/// assert_eq!(globals.iter().count(), 2);
///
/// // Gone for new clients; who was told of it may bind it until it is removed.
/// globals.withdraw(output);
/// assert_eq!(globals.iter().count(), 1);
/// globals.remove(output);
/// # assert_eq!(compositor, 1);
/// # Ok::<(), anchovy_wayland::AddError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Globals {
    entries: BTreeMap<u32, Entry>,
    /// The name that was given last.
    last: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    global: Global,
    withdrawn: bool,
}

impl Globals {
    /// None.
    pub const fn new() -> Globals {
        Globals { entries: BTreeMap::new(), last: 0 }
    }

    /// Adds a global, with a name that none has had. The clients are to be told:
    /// [`Registries::added`].
    ///
    /// # Errors
    ///
    /// [`AddError`]: it could not be announced, or not be bound. Nothing is added.
    pub fn add(&mut self, interface: &str, version: u32) -> Result<&Global, AddError> {
        if version == 0 {
            return Err(AddError::Version);
        }
        let name = self.last.checked_add(1).ok_or(AddError::NoNames)?;
        let global = Global::new(name, interface, version);
        // What is announced here is announced to everybody.
        match announcement(ObjectId::DISPLAY, &global) {
            Ok(event) if !interface.is_empty() && event.length() <= MAX_MESSAGE_BYTES => {}
            _ => return Err(AddError::Interface),
        }
        self.last = name;
        let entry = Entry { global, withdrawn: false };
        Ok(&self.entries.entry(name).or_insert(entry).global)
    }

    /// Takes a global off the list that new registries are told, and leaves it to be bound by those
    /// that do not know yet. The clients are to be told: [`Registries::removed`].
    ///
    /// Is there one of this name that was on the list?
    pub fn withdraw(&mut self, name: u32) -> bool {
        let entry = self.entries.get_mut(&name).filter(|entry| !entry.withdrawn);
        entry.map(|entry| entry.withdrawn = true).is_some()
    }

    /// Removes a global: whoever binds it from now on is disconnected, so clients should have been
    /// told some time ago that it is [withdrawn](Self::withdraw).
    pub fn remove(&mut self, name: u32) -> Option<Global> {
        self.entries.remove(&name).map(|entry| entry.global)
    }

    /// The global of this name, withdrawn or not.
    pub fn get(&self, name: u32) -> Option<&Global> {
        self.entries.get(&name).map(|entry| &entry.global)
    }

    /// The globals that new registries are told, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Global> {
        self.entries.values().filter(|entry| !entry.withdrawn).map(|entry| &entry.global)
    }
}

/// The registries of one client.
///
/// [`Connection::registry`](crate::Connection::registry) has an example of both ends.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    ids: Vec<ObjectId>,
}

/// What a request of a client is answered with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// These events, in order.
    Events(Vec<Message>),
    /// A new object, which is the user's to make.
    Bind(Bind),
    /// It is a request of another object.
    Other,
}

/// A request for an object of a global, which may be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bind {
    /// The name of the global.
    pub name: u32,
    /// The interface of the global, and of the object.
    pub interface: String,
    /// The version of the object, at most that of the global.
    pub version: u32,
    /// The object.
    pub id: ObjectId,
}

impl Registries {
    /// None.
    pub const fn new() -> Registries {
        Registries { ids: Vec::new() }
    }

    /// Answers the requests of the display (`sync`, `get_registry`) and of the registries (`bind`).
    ///
    /// A callback is done at once, and its number free again.
    ///
    /// # Errors
    ///
    /// [`DisplayError`], which the client is [told](DisplayError::message) before it is
    /// disconnected: there is no such request, or it is malformed; its new object is not of the
    /// client's numbers, or a registry already (that it is new otherwise is for who has all
    /// objects); there are too many registries ([`MAX_REGISTRIES`]); there is no such global, or
    /// not of this interface or version.
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

    /// The events for a global that was added; none if there is none of this name.
    pub fn added(&self, globals: &Globals, name: u32) -> Vec<Message> {
        let global = globals.get(name).into_iter();
        global.flat_map(|global| self.ids.iter().map(|id| announced(*id, global))).collect()
    }

    /// The events for a global that was withdrawn or removed; one that was withdrawn is not told
    /// again when it is removed.
    pub fn removed(&self, name: u32) -> Vec<Message> {
        self.ids.iter().map(|id| event(*id, wl_registry::GLOBAL_REMOVE, name)).collect()
    }

    /// Forgets a registry that its client has destroyed (`wl_fixes.destroy_registry`); was it one?
    pub fn forget(&mut self, id: ObjectId) -> bool {
        let before = self.ids.len();
        self.ids.retain(|other| *other != id);
        self.ids.len() < before
    }

    /// Which objects they are.
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

fn announcement(registry: ObjectId, global: &Global) -> Result<Message, WireError> {
    let Global { name, interface, version } = global;
    let event = Message::build(registry, wl_registry::GLOBAL).uint(*name);
    event.string(interface).uint(*version).finish().map_err(|error| error.error)
}

fn announced(registry: ObjectId, global: &Global) -> Message {
    announcement(registry, global).expect("an interface that could be announced when it was added")
}

/// An event of one number.
fn event(object: ObjectId, opcode: u16, number: u32) -> Message {
    Message::build(object, opcode).uint(number).finish().expect("a short message")
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

/// Why something cannot be a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddError {
    /// Its interface is empty, has a NUL, or is too long for an event of 4096 bytes.
    Interface,
    /// Its version is 0; the first is 1.
    Version,
    /// All names have been given: 4294967295.
    NoNames,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddError::Interface => "the interface of a global is empty, too long, or has a NUL",
            AddError::Version => "the version of a global is 0",
            AddError::NoNames => "all names for globals have been given",
        })
    }
}

impl Error for AddError {}

impl From<AddError> for io::Error {
    fn from(error: AddError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_are_given_and_then_no_more() {
        let mut globals = Globals { last: u32::MAX - 1, ..Globals::new() };
        assert_eq!(globals.add("wl_output", 1).map(|global| global.name), Ok(u32::MAX));
        assert_eq!(globals.add("wl_output", 1), Err(AddError::NoNames));
        assert_eq!(globals.iter().count(), 1);
    }
}
