//! The globals of a compositor, as announced to a client.
//!
//! A compositor announces each of its globals with a name (a number), an interface and a version. It may
//! add and remove globals during the whole connection. A client finds a global by its interface and binds
//! it by its name.

use crate::announced::Announced;
use crate::bind_error::BindError;
use crate::create_error::CreateError;
use crate::global::Global;
use crate::opcodes::wl_registry;
use crate::registry_error::RegistryError;
use crate::wire::message::Message;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireErrorKind;

/// Maximum number of globals in a [`Registry`].
///
/// Compositors have some dozens of globals. 4096 globals with the longest interface names require 16 MiB
/// of memory, and the slice of [`Registry::globals`] as much again.
pub const MAX_GLOBALS: usize = 4096;

/// The globals of a compositor, as one `wl_registry` announces them.
///
/// [`Connection::registry`](crate::Connection::registry) returns a registry with all current globals. To
/// keep it up to date, pass the events that are received later to [`update`](Self::update).
#[derive(Clone, Debug)]
pub struct Registry {
    id: ObjectId,
    globals: Announced,
}

/// The change that an event has caused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryUpdate {
    /// A global was added.
    Added(Global),
    /// A global was removed. The client should destroy the objects that it bound to this global.
    Removed(Global),
    /// A global was removed that the compositor has not announced.
    RemovedUnknown {
        /// The name of the global.
        name: u32,
    },
}

impl Registry {
    /// Creates an empty registry for the `wl_registry` with this id.
    ///
    /// This method is for programs that send `wl_display.get_registry` themselves.
    ///
    /// # Examples
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
        Registry { id, globals: Announced::new() }
    }

    /// Returns the id of the `wl_registry`.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Returns all globals, in the order of their announcements.
    ///
    /// The first call after a change copies all globals into the slice.
    pub fn globals(&self) -> &[Global] {
        self.globals.as_slice()
    }

    /// Returns the first global of an interface. Compositors have several globals of some interfaces, such
    /// as `wl_output`.
    pub fn find(&self, interface: &str) -> Option<&Global> {
        self.globals.iter().find(|global| global.interface == interface)
    }

    /// Returns the global with this name.
    pub fn get(&self, name: u32) -> Option<&Global> {
        self.globals.get(&name)
    }

    /// Builds the request that binds a global to a new object.
    ///
    /// This method is for programs that allocate ids themselves. Clients use
    /// [`Connection::bind`](crate::Connection::bind).
    ///
    /// # Errors
    ///
    /// Returns [`BindError::Version`] if the version is 0 or higher than that of the global: a compositor
    /// disconnects a client that sends such a request. Returns [`BindError::Create`] if the request is too
    /// long or the interface contains a NUL.
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

    /// Applies an event of this registry and returns the change. Returns `None` for an event of another
    /// object.
    ///
    /// If a global with the same name exists, the new global replaces it, and is the last one in the order of
    /// announcements.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::Wire`] if an event of this registry is malformed, and
    /// [`RegistryError::TooManyGlobals`] for more than [`MAX_GLOBALS`] globals. After an error, the registry
    /// is unchanged.
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
                if self.globals.len() >= MAX_GLOBALS && !self.globals.contains(&global.name) {
                    return Err(RegistryError::TooManyGlobals { limit: MAX_GLOBALS });
                }
                self.globals.add(global.name, global.clone());
                RegistryUpdate::Added(global)
            }
            wl_registry::GLOBAL_REMOVE => {
                let name = event.read_plain(|arguments| arguments.uint())?;
                match self.globals.remove(&name) {
                    Some(global) => RegistryUpdate::Removed(global),
                    None => RegistryUpdate::RemovedUnknown { name },
                }
            }
            _ => return Err(event.error(WireErrorKind::UnknownOpcode).into()),
        };
        Ok(Some(update))
    }
}
