//! The globals of a compositor, for all its clients.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;

use crate::global::Global;
use crate::limits::MAX_MESSAGE_BYTES;
use crate::wire::object_id::ObjectId;

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
/// // New clients do not get it; clients that have got it may bind it until it is removed.
/// globals.withdraw(output);
/// assert_eq!(globals.iter().count(), 1);
/// globals.remove(output);
/// # assert_eq!(compositor, 1);
/// # Ok::<(), anchovy_wayland::AddError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Globals {
    entries: BTreeMap<u32, Entry>,
    /// The last name that was given.
    last: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    global: Global,
    withdrawn: bool,
}

impl Globals {
    /// Creates a list without globals.
    pub const fn new() -> Globals {
        Globals { entries: BTreeMap::new(), last: 0 }
    }

    /// Adds a global, with a name that no other global has had. Announce it to the clients with
    /// [`Registries::added`](crate::Registries::added).
    ///
    /// # Errors
    ///
    /// [`AddError`] if the global could not be announced or bound. Nothing is added.
    pub fn add(&mut self, interface: &str, version: u32) -> Result<&Global, AddError> {
        if version == 0 {
            return Err(AddError::Version { interface: interface.to_owned() });
        }
        let name = self.last.checked_add(1).ok_or(AddError::NoNames)?;
        let global = Global::new(name, interface, version);
        // What cannot be announced once cannot be announced to any client.
        match global.announcement(ObjectId::DISPLAY) {
            Ok(event) if !interface.is_empty() && event.len() <= MAX_MESSAGE_BYTES => {}
            _ => return Err(AddError::Interface { interface: interface.to_owned() }),
        }
        self.last = name;
        let entry = Entry { global, withdrawn: false };
        Ok(&self.entries.entry(name).or_insert(entry).global)
    }

    /// Withdraws a global: new registries do not announce it, and clients that do not know of it yet can
    /// still bind it. Announce the removal to the clients with
    /// [`Registries::removed`](crate::Registries::removed).
    ///
    /// Returns whether there is a global of this name that was not withdrawn.
    pub fn withdraw(&mut self, name: u32) -> bool {
        let entry = self.entries.get_mut(&name).filter(|entry| !entry.withdrawn);
        entry.map(|entry| entry.withdrawn = true).is_some()
    }

    /// Removes a global. A client that binds it from now on is disconnected, so
    /// [withdraw](Self::withdraw) it some time before.
    pub fn remove(&mut self, name: u32) -> Option<Global> {
        self.entries.remove(&name).map(|entry| entry.global)
    }

    /// Returns the global of this name, withdrawn or not.
    pub fn get(&self, name: u32) -> Option<&Global> {
        self.entries.get(&name).map(|entry| &entry.global)
    }

    /// Returns the globals that new registries announce, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Global> {
        self.entries.values().filter(|entry| !entry.withdrawn).map(|entry| &entry.global)
    }
}

/// Why a global was not added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddError {
    /// The interface is empty, has a NUL, or is too long for an event of 4096 bytes.
    Interface {
        /// The interface.
        interface: String,
    },
    /// The version is 0; the first is 1.
    Version {
        /// The interface.
        interface: String,
    },
    /// All names have been given: 4294967295.
    NoNames,
}

/// The most of an interface that a text shows, in characters.
const SHOWN: usize = 64;

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddError::Interface { interface } => {
                let (length, shown) = (interface.len(), interface.chars().take(SHOWN));
                let shown: String = shown.collect();
                write!(
                    f,
                    "{shown:?} is no interface of a global: it has {length} bytes, it must have some, \
                     no NUL, and fit into an event of {MAX_MESSAGE_BYTES} bytes"
                )
            }
            AddError::Version { interface } => {
                write!(f, "the version of the global {interface:?} is 0, it must be at least 1")
            }
            AddError::NoNames => f.write_str("all names of globals have been given"),
        }
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
    use crate::error_chain::error_chain;

    #[test]
    fn all_names_are_given_and_then_no_more() {
        let mut globals = Globals { last: u32::MAX - 1, ..Globals::new() };
        assert_eq!(globals.add("wl_output", 1).map(|global| global.name), Ok(u32::MAX));
        assert_eq!(globals.add("wl_output", 1), Err(AddError::NoNames));
        assert_eq!(globals.iter().count(), 1);
    }

    #[test]
    fn an_add_error_has_no_other_cause() {
        let interface = "wl_shm".to_owned();
        for error in [
            AddError::Interface { interface: interface.clone() },
            AddError::Version { interface },
            AddError::NoNames,
        ] {
            assert_eq!(error_chain(&error).len(), 1);
        }
        let long = AddError::Interface { interface: "a\0".repeat(4000) };
        assert!(long.to_string().len() < 300 && long.to_string().contains("8000 bytes"), "{long}");
    }
}
