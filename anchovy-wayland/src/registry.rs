//! The globals of a compositor, as its client knows them.
//!
//! A compositor announces its globals one by one, each with a name (a number), an interface and a version.
//! It adds and removes globals for as long as the connection lasts. A client finds a global by its
//! interface, and binds it by its name.

use crate::bind_error::BindError;
use crate::create_error::CreateError;
use crate::global::Global;
use crate::opcodes::wl_registry;
use crate::registry_error::RegistryError;
use crate::wire::message::Message;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireErrorKind;

/// Number of globals that a [`Registry`] keeps.
///
/// Compositors have some dozens. 4096 globals with the longest interfaces take 16 MiB.
pub const MAX_GLOBALS: usize = 4096;

/// The globals of a compositor, as one `wl_registry` announces them.
///
/// [`Connection::registry`](crate::Connection::registry) returns one with all globals of that moment.
/// Pass the events that are received later to [`update`](Self::update), which keeps it up to date.
#[derive(Clone, Debug)]
pub struct Registry {
    id: ObjectId,
    /// In the order in which they were announced.
    globals: Vec<Global>,
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryUpdate {
    /// A global was added.
    Added(Global),
    /// A global was removed. Destroy the objects that were bound of it.
    Removed(Global),
    /// A global was removed that was not announced.
    RemovedUnknown {
        /// Its name.
        name: u32,
    },
}

impl Registry {
    /// Creates the registry of this object, of which no event has been received yet.
    ///
    /// This is for programs that send `wl_display.get_registry` themselves.
    ///
    /// ```
    /// use anchovy_wayland::opcodes::wl_registry;
    /// use anchovy_wayland::{Message, ObjectId, Registry};
    ///
    /// let id = ObjectId::new(2).expect("not 0");
    /// let mut registry = Registry::new(id);
    /// let event = Message::builder(id, wl_registry::GLOBAL).uint(1).string("wl_shm").uint(2);
    /// registry.update(&event.build()?)?;
    ///
    /// let shm = registry.find("wl_shm").expect("it was announced");
    /// let bind = registry.bind(shm, 1, ObjectId::new(4).expect("not 0"))?;
    /// assert_eq!(bind.len(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(id: ObjectId) -> Registry {
        Registry { id, globals: Vec::new() }
    }

    /// Returns the id of the registry.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Returns all globals, in the order in which they were announced.
    pub fn globals(&self) -> &[Global] {
        &self.globals
    }

    /// Returns the first global of this interface. Of some interfaces, such as `wl_output`, there may be
    /// more.
    pub fn find(&self, interface: &str) -> Option<&Global> {
        self.globals.iter().find(|global| global.interface == interface)
    }

    /// Returns the global with this name.
    pub fn get(&self, name: u32) -> Option<&Global> {
        self.globals.iter().find(|global| global.name == name)
    }

    /// Returns the request that binds a global to a new object, for programs that give out ids
    /// themselves. Clients use [`Connection::bind`](crate::Connection::bind).
    ///
    /// # Errors
    ///
    /// [`BindError::Version`] if the version is 0 or higher than the global's, for which a client is
    /// disconnected; [`BindError::Create`] if the interface cannot be sent.
    pub fn bind(
        &self,
        global: &Global,
        version: u32,
        new_id: ObjectId,
    ) -> Result<Message, BindError> {
        let version = global.negotiate(version..=version)?;
        let request = self.bind_request(global, version, new_id);
        request.build().map_err(|error| CreateError::from(error).into())
    }

    pub(crate) fn bind_request(
        &self,
        global: &Global,
        version: u32,
        new_id: ObjectId,
    ) -> MessageBuilder {
        let bind = Message::builder(self.id, wl_registry::BIND).uint(global.name);
        bind.untyped_new_id(&global.interface, version, new_id)
    }

    /// Applies an event, if it is of this registry, and returns what it changed; `None` if it is of another
    /// object.
    ///
    /// A global with the name of another one replaces it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Wire`] if the event is of this registry, and malformed;
    /// [`RegistryError::TooManyGlobals`]. Nothing is changed then.
    pub fn update(&mut self, event: &Message) -> Result<Option<RegistryUpdate>, RegistryError> {
        if event.object() != self.id {
            return Ok(None);
        }
        let update = match event.opcode() {
            wl_registry::GLOBAL => {
                let global = event.read_plain(|arguments| {
                    let name = arguments.uint()?;
                    let interface = arguments.string()?.to_string_lossy();
                    Ok(Global::new(name, interface, arguments.uint()?))
                })?;
                let others = self.globals.iter().filter(|other| other.name != global.name);
                if others.count() >= MAX_GLOBALS {
                    return Err(RegistryError::TooManyGlobals { limit: MAX_GLOBALS });
                }
                self.remove(global.name);
                self.globals.push(global.clone());
                RegistryUpdate::Added(global)
            }
            wl_registry::GLOBAL_REMOVE => {
                let name = event.read_plain(|arguments| arguments.uint())?;
                match self.remove(name) {
                    Some(global) => RegistryUpdate::Removed(global),
                    None => RegistryUpdate::RemovedUnknown { name },
                }
            }
            _ => return Err(event.error(WireErrorKind::UnknownOpcode).into()),
        };
        Ok(Some(update))
    }

    fn remove(&mut self, name: u32) -> Option<Global> {
        let at = self.globals.iter().position(|global| global.name == name)?;
        Some(self.globals.remove(at))
    }
}
