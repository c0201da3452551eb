//! The addresses of buses, from the environment.
//!
//! Environment variables name the addresses. Without them, there are well-known paths (D-Bus
//! Specification, "Well-known Message Bus Instances" and "Message Bus Starting Services"). The path of
//! the session bus is checked first, so that the error says that there is no bus.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use super::addresses::Addresses;
use super::bus_error::{BusAddressError, RuntimeSocketProblem};
use super::construct::Address;
use super::environment::{Environment, process_environment, set};

/// Default path of the system bus, with `/var/run` on every system (D-Bus Specification, "System
/// message bus").
const SYSTEM_BUS: &str = "/var/run/dbus/system_bus_socket";

const SESSION: &str = "DBUS_SESSION_BUS_ADDRESS";
const SYSTEM: &str = "DBUS_SYSTEM_BUS_ADDRESS";
const STARTER: &str = "DBUS_STARTER_ADDRESS";
const STARTER_TYPE: &str = "DBUS_STARTER_BUS_TYPE";

impl Addresses {
    /// Returns the addresses of the session bus.
    ///
    /// They are the value of `DBUS_SESSION_BUS_ADDRESS`. If it is not set, the address is the socket
    /// `bus` in the directory of `XDG_RUNTIME_DIR`. As in libdbus, this must be a socket, not a symbolic
    /// link, and belong to the user of this process. This function does not launch a bus, and does not
    /// search for one in an X server (`autolaunch:`).
    ///
    /// An empty variable counts as not set. In a set-user-ID or set-group-ID process, every variable
    /// counts as not set, because another user chose its value. File capabilities are not detected.
    ///
    /// # Errors
    ///
    /// Returns a [`BusAddressError`] if there is no session bus, or a variable is not valid.
    ///
    /// # Examples
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

    /// Returns the addresses of the system bus.
    ///
    /// They are the value of `DBUS_SYSTEM_BUS_ADDRESS`, or
    /// `unix:path=/var/run/dbus/system_bus_socket` if it is not set. See
    /// [`session`](Addresses::session) for when a variable counts as not set.
    ///
    /// # Errors
    ///
    /// Returns [`BusAddressError::Invalid`] if the variable is not valid.
    ///
    /// # Examples
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

    /// Returns the addresses of the bus that started this process as a service.
    ///
    /// They are the value of `DBUS_STARTER_ADDRESS`. If it is not set, `DBUS_STARTER_BUS_TYPE` names a
    /// well-known bus, `session` or `system`. See [`session`](Addresses::session) for when a variable
    /// counts as not set.
    ///
    /// # Errors
    ///
    /// Returns [`BusAddressError::NotStarted`] if neither variable is set. (libdbus uses the session bus
    /// in this case.) Returns another [`BusAddressError`] if a variable is not valid, or there is no
    /// session bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Addresses, BusAddressError};
    ///
    /// let addresses = match Addresses::starter() {
    ///     Err(BusAddressError::NotStarted) => Addresses::system(), // Started manually.
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

/// Returns the reason why a file is not the bus of this user, if there is one.
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
