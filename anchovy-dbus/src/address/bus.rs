//! Where the buses are, as the environment says.
//!
//! A process is told by variables; where they are missing, there is a well-known place (D-Bus
//! Specification, "Well-known Message Bus Instances" and "Message Bus Starting Services"). The
//! places are looked at before they are named as an address: whoever has no bus at all should hear
//! that, and not that some file does not exist.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use super::addresses::Addresses;
use super::bus_error::{BusAddressError, RuntimeSocketProblem};
use super::construct::Address;
use super::environment::{Environment, process_environment, set};

/// Where the system bus is when nothing else is said; `/var/run` on every system (D-Bus
/// Specification, "System message bus").
const SYSTEM_BUS: &str = "/var/run/dbus/system_bus_socket";

const SESSION: &str = "DBUS_SESSION_BUS_ADDRESS";
const SYSTEM: &str = "DBUS_SYSTEM_BUS_ADDRESS";
const STARTER: &str = "DBUS_STARTER_ADDRESS";
const STARTER_TYPE: &str = "DBUS_STARTER_BUS_TYPE";

impl Addresses {
    /// The bus of this login session.
    ///
    /// `DBUS_SESSION_BUS_ADDRESS`, or else the socket `bus` in the directory that
    /// `XDG_RUNTIME_DIR` names. As in libdbus, that socket has to be there, as a socket and not a
    /// link to one, and belong to the user of this process. No bus is launched and none is looked
    /// for in an X server (`autolaunch:`).
    ///
    /// An empty variable counts as none. So does every variable in a process that runs with the
    /// rights of another user or group than the one who started it (set-user-ID, set-group-ID):
    /// that one chose them. Capabilities of a file are not noticed.
    ///
    /// # Errors
    ///
    /// [`BusAddressError`].
    ///
    /// ```
    /// use anchovy_dbus::Addresses;
    ///
    /// match Addresses::session() {
    ///     Ok(addresses) => println!("the session bus is at {addresses}"),
    ///     Err(error) => println!("{error}"),
    /// }
    /// ```
    pub fn session() -> Result<Addresses, BusAddressError> {
        session(&process_environment)
    }

    /// The bus of the system.
    ///
    /// `DBUS_SYSTEM_BUS_ADDRESS`, or else `unix:path=/var/run/dbus/system_bus_socket`. Which
    /// variables count is as of [`session`](Addresses::session).
    ///
    /// # Errors
    ///
    /// [`BusAddressError::Invalid`].
    ///
    /// ```
    /// use anchovy_dbus::Addresses;
    ///
    /// let addresses = Addresses::system()?;
    /// println!("the system bus is at {addresses}");
    /// # Ok::<(), anchovy_dbus::BusAddressError>(())
    /// ```
    pub fn system() -> Result<Addresses, BusAddressError> {
        system(&process_environment)
    }

    /// The bus that started this process as a service.
    ///
    /// `DBUS_STARTER_ADDRESS`, to which a service has to connect whatever else it was told. Without
    /// it, `DBUS_STARTER_BUS_TYPE` says which well-known bus it was, `session` or `system`. Which
    /// variables count is as of [`session`](Addresses::session).
    ///
    /// # Errors
    ///
    /// [`BusAddressError`]; where neither variable is set, [`BusAddressError::NotStarted`]. libdbus
    /// takes the session bus then; who wants that asks for it.
    ///
    /// ```
    /// use anchovy_dbus::{Addresses, BusAddressError};
    ///
    /// let addresses = match Addresses::starter() {
    ///     Err(BusAddressError::NotStarted) => Addresses::system(), // started by hand
    ///     found => found,
    /// };
    /// # drop(addresses);
    /// ```
    pub fn starter() -> Result<Addresses, BusAddressError> {
        starter(&process_environment)
    }
}

fn session(environment: Environment<'_>) -> Result<Addresses, BusAddressError> {
    if let Some(addresses) = variable(SESSION, environment)? {
        return Ok(addresses);
    }
    let directory = set("XDG_RUNTIME_DIR", environment).ok_or(BusAddressError::NoSessionBus)?;
    let directory = PathBuf::from(directory);
    if !directory.is_absolute() {
        return Err(BusAddressError::RelativeRuntimeDirectory { directory });
    }
    let path = directory.join("bus");
    let user = rustix::process::getuid().as_raw();
    match fs::symlink_metadata(&path).map(|found| judge(&found, user)) {
        Ok(None) => path_address(path).map(Addresses::from),
        Ok(Some(problem)) => Err(BusAddressError::UnusableSocket { path, problem }),
        Err(error) => {
            let problem = RuntimeSocketProblem::Io(error);
            Err(BusAddressError::UnusableSocket { path, problem })
        }
    }
}

fn path_address(path: PathBuf) -> Result<Address, BusAddressError> {
    Address::path(&path).map_err(|error| {
        let value = path.into_os_string();
        BusAddressError::Invalid { variable: "XDG_RUNTIME_DIR", value, error }
    })
}

/// Why a file is no bus of this user.
fn judge(found: &Metadata, user: u32) -> Option<RuntimeSocketProblem> {
    if found.uid() != user {
        Some(RuntimeSocketProblem::Foreign { owner: found.uid(), user })
    } else if !found.file_type().is_socket() {
        Some(RuntimeSocketProblem::NotASocket)
    } else {
        None
    }
}

fn system(environment: Environment<'_>) -> Result<Addresses, BusAddressError> {
    match variable(SYSTEM, environment)? {
        Some(addresses) => Ok(addresses),
        None => path_address(SYSTEM_BUS.into()).map(Addresses::from),
    }
}

fn starter(environment: Environment<'_>) -> Result<Addresses, BusAddressError> {
    if let Some(addresses) = variable(STARTER, environment)? {
        return Ok(addresses);
    }
    let kind = set(STARTER_TYPE, environment).ok_or(BusAddressError::NotStarted)?;
    match kind.as_bytes() {
        b"session" => session(environment),
        b"system" => system(environment),
        _ => Err(BusAddressError::UnknownBusType { kind }),
    }
}

fn variable(
    variable: &'static str,
    environment: Environment<'_>,
) -> Result<Option<Addresses>, BusAddressError> {
    let Some(value) = set(variable, environment) else { return Ok(None) };
    match Addresses::parse(value.as_bytes()) {
        Ok(addresses) => Ok(Some(addresses)),
        Err(error) => Err(BusAddressError::Invalid { variable, value, error }),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
