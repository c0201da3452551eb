//! The globals that a compositor offers to its clients.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;

use crate::global::Global;
use crate::limits::MAX_MESSAGE_BYTES;
use crate::wire::object_id::ObjectId;

/// The globals that a compositor offers to its clients.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::Globals;
///
/// let mut globals = Globals::new();
/// let compositor = globals.add("wl_compositor", 6)?.name;
/// let output = globals.add("wl_output", 4)?.name;
/// assert_eq!(globals.iter().count(), 2);
///
/// // New clients do not see the global. Clients can still bind it until it is removed.
/// globals.withdraw(output);
/// assert_eq!(globals.iter().count(), 1);
/// globals.remove(output);
/// # assert_eq!(compositor, 1);
/// # Ok::<(), anchovy_wayland::AddError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Globals {
    entries: BTreeMap<u32, Entry>,
    /// The last name that was used.
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

    /// Adds a global with a name that no other global has had.
    ///
    /// To announce it to the current clients, send the events of
    /// [`Registries::added`](crate::Registries::added).
    ///
    /// # Errors
    ///
    /// Returns an [`AddError`] if clients could not bind the global, or if all names have been used. The
    /// global is not added.
    pub fn add(&mut self, interface: &str, version: u32) -> Result<&Global, AddError> {
        if version == 0 {
            return Err(AddError::Version { interface: interface.to_owned() });
        }
        let name = self.last.checked_add(1).ok_or(AddError::NoNames)?;
        let global = Global::new(name, interface, version);
        // The length of the announcement does not depend on the client.
        match global.announcement(ObjectId::DISPLAY) {
            Ok(event) if !interface.is_empty() && event.len() <= MAX_MESSAGE_BYTES => {}
            _ => return Err(AddError::Interface { interface: interface.to_owned() }),
        }
        self.last = name;
        let entry = Entry { global, withdrawn: false };
        Ok(&self.entries.entry(name).or_insert(entry).global)
    }

    /// Withdraws a global: new registries do not announce it. Clients can still bind it until it is
    /// [removed](Self::remove).
    ///
    /// When you withdraw a global, send the events of [`Registries::removed`](crate::Registries::removed) to
    /// the current clients. Remove the global some time later, because a client may send `bind` before it
    /// receives these events.
    ///
    /// Returns `false` if there is no global with this name, or if it was withdrawn before.
    pub fn withdraw(&mut self, name: u32) -> bool {
        let entry = self.entries.get_mut(&name).filter(|entry| !entry.withdrawn);
        entry.map(|entry| entry.withdrawn = true).is_some()
    }

    /// Removes a global and returns it.
    ///
    /// If a client binds the global later, [`Registries::answer`](crate::Registries::answer) returns an error
    /// for this client. So [withdraw](Self::withdraw) the global some time before.
    pub fn remove(&mut self, name: u32) -> Option<Global> {
        self.entries.remove(&name).map(|entry| entry.global)
    }

    /// Returns the global with this name, also if it was withdrawn.
    pub fn get(&self, name: u32) -> Option<&Global> {
        self.entries.get(&name).map(|entry| &entry.global)
    }

    /// Returns the globals that were not withdrawn, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Global> {
        self.entries.values().filter(|entry| !entry.withdrawn).map(|entry| &entry.global)
    }
}

/// The error of [`Globals::add`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddError {
    /// The interface is empty, contains a NUL, or is too long for an event of 4096 bytes.
    Interface {
        /// The interface.
        interface: String,
    },
    /// The version is 0. Versions start with 1.
    Version {
        /// The interface.
        interface: String,
    },
    /// All 4294967295 names have been used.
    NoNames,
}

/// Number of characters of an interface that a message shows.
const SHOWN: usize = 64;

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddError::Interface { interface } => {
                let (length, shown) = (interface.len(), interface.chars().take(SHOWN));
                let shown: String = shown.collect();
                write!(
                    f,
                    "a global cannot have the interface {shown:?} of {length} bytes; it must not be \
                     empty or contain a NUL, and must fit into an event of {MAX_MESSAGE_BYTES} bytes"
                )
            }
            AddError::Version { interface } => {
                write!(f, "the version of the global {interface:?} is 0; it must be 1 or higher")
            }
            AddError::NoNames => {
                write!(f, "all {} names of globals have been used", u32::MAX)
            }
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
    fn adding_a_global_fails_after_the_last_name() {
        let mut globals = Globals { last: u32::MAX - 1, ..Globals::new() };
        assert_eq!(globals.add("wl_output", 1).map(|global| global.name), Ok(u32::MAX));
        assert_eq!(globals.add("wl_output", 1), Err(AddError::NoNames));
        assert_eq!(globals.iter().count(), 1);
    }

    #[test]
    fn an_add_error_has_no_source() {
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
