//! Where the buses are, as the environment says.
//!
//! A process is told by variables; where they are missing, there is a well-known place (D-Bus
//! Specification, "Well-known Message Bus Instances" and "Message Bus Starting Services"). The
//! places are looked at before they are named as an address: whoever has no bus at all should hear
//! that, and not that some file does not exist.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Address, AddressError, Addresses};

/// Where the system bus is when nothing else is said; `/var/run` on every system (D-Bus
/// Specification, "System message bus").
const SYSTEM_BUS: &str = "/var/run/dbus/system_bus_socket";

const SESSION: &str = "DBUS_SESSION_BUS_ADDRESS";
const SYSTEM: &str = "DBUS_SYSTEM_BUS_ADDRESS";
const STARTER: &str = "DBUS_STARTER_ADDRESS";
const STARTER_TYPE: &str = "DBUS_STARTER_BUS_TYPE";

/// Looks a variable up. A parameter, since a test must not change the environment of its process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

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
    let invalid = |error| BusAddressError::Invalid { variable: "XDG_RUNTIME_DIR", error };
    Address::path(path).map_err(invalid)
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
    set(variable, environment)
        .map(|text| Addresses::parse(text.as_bytes()))
        .transpose()
        .map_err(|error| BusAddressError::Invalid { variable, error })
}

fn set(variable: &str, environment: Environment<'_>) -> Option<OsString> {
    environment(variable).filter(|value| !value.is_empty())
}

/// The directory that `XDG_RUNTIME_DIR` names; the XDG Base Directory Specification has relative
/// ones ignored.
pub(super) fn runtime_directory(environment: Environment<'_>) -> Option<PathBuf> {
    set("XDG_RUNTIME_DIR", environment).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The variables of this process, none where they are not to be trusted.
pub(super) fn process_environment(variable: &str) -> Option<OsString> {
    use rustix::process::{getegid, geteuid, getgid, getuid};

    let trusted = getuid() == geteuid() && getgid() == getegid();
    if trusted { std::env::var_os(variable) } else { None }
}

/// Why the environment does not lead to a bus.
///
/// ```
/// use anchovy_dbus::BusAddressError;
///
/// let said = BusAddressError::NoSessionBus.to_string();
/// assert!(said.contains("DBUS_SESSION_BUS_ADDRESS"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BusAddressError {
    /// A variable is set, to what is no address.
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        error: AddressError,
    },
    /// Neither `DBUS_SESSION_BUS_ADDRESS` nor `XDG_RUNTIME_DIR` is set.
    NoSessionBus,
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and `XDG_RUNTIME_DIR` is not absolute, which the XDG
    /// Base Directory Specification demands.
    RelativeRuntimeDirectory {
        /// Its value.
        directory: PathBuf,
    },
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and the socket in `XDG_RUNTIME_DIR` cannot be used.
    UnusableSocket {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be used.
        problem: RuntimeSocketProblem,
    },
    /// Neither `DBUS_STARTER_ADDRESS` nor `DBUS_STARTER_BUS_TYPE` is set.
    NotStarted,
    /// `DBUS_STARTER_ADDRESS` is not set, and `DBUS_STARTER_BUS_TYPE` is neither `session` nor
    /// `system`.
    UnknownBusType {
        /// Its value.
        kind: OsString,
    },
}

/// Why the socket in `XDG_RUNTIME_DIR` is not the session bus of this user.
///
/// ```
/// use anchovy_dbus::RuntimeSocketProblem;
///
/// let problem = RuntimeSocketProblem::Foreign { owner: 0, user: 1000 };
/// assert_eq!(problem.to_string(), "it belongs to user 0, and this process is of user 1000");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeSocketProblem {
    /// It cannot be looked at; most often, it is not there.
    Io(io::Error),
    /// It is no socket. A symbolic link is none, wherever it leads.
    NotASocket,
    /// It belongs to somebody else.
    Foreign {
        /// The user id of its owner.
        owner: u32,
        /// The real user id of this process.
        user: u32,
    },
}

impl fmt::Display for BusAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddressError::Invalid { variable, error } => {
                write!(f, "the value of {variable} cannot be read: {error}")
            }
            BusAddressError::NoSessionBus => f.write_str(
                "no session bus is known: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is \
                 set; run this in a login session, or under dbus-run-session",
            ),
            BusAddressError::RelativeRuntimeDirectory { directory } => write!(
                f,
                "no session bus is known: DBUS_SESSION_BUS_ADDRESS is not set, and \
                 XDG_RUNTIME_DIR is {}, which is not absolute",
                directory.display()
            ),
            BusAddressError::UnusableSocket { path, problem } => write!(
                f,
                "no session bus is known: DBUS_SESSION_BUS_ADDRESS is not set, and {} cannot be \
                 used: {problem}",
                path.display()
            ),
            BusAddressError::NotStarted => f.write_str(
                "no bus started this process: neither DBUS_STARTER_ADDRESS nor \
                 DBUS_STARTER_BUS_TYPE is set; connect to the session bus or the system bus",
            ),
            BusAddressError::UnknownBusType { kind } => write!(
                f,
                "DBUS_STARTER_BUS_TYPE is {}, which is neither session nor system, and \
                 DBUS_STARTER_ADDRESS is not set",
                Path::new(kind).display()
            ),
        }
    }
}

impl fmt::Display for RuntimeSocketProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeSocketProblem::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("it is not there; is the bus running?")
            }
            RuntimeSocketProblem::Io(error) => error.fmt(f),
            RuntimeSocketProblem::NotASocket => f.write_str("it is no socket"),
            RuntimeSocketProblem::Foreign { owner, user } => {
                write!(f, "it belongs to user {owner}, and this process is of user {user}")
            }
        }
    }
}

impl Error for BusAddressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BusAddressError::Invalid { error, .. } => Some(error),
            BusAddressError::UnusableSocket { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

impl Error for RuntimeSocketProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RuntimeSocketProblem::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::super::test_directory::TestDirectory;
    use super::*;

    fn environment<'a, T: AsRef<OsStr> + ?Sized>(
        variables: &'a [(&'a str, &'a T)],
    ) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |wanted| {
            let (_, value) = variables.iter().find(|(name, _)| *name == wanted)?;
            Some(value.as_ref().to_owned())
        }
    }

    fn is_path(addresses: Result<Addresses, BusAddressError>, path: &Path) {
        assert_eq!(addresses.unwrap(), Addresses::from(Address::path(path).unwrap()));
    }

    #[test]
    fn the_session_bus_is_where_its_variable_says() {
        let directory = TestDirectory::new();
        let _bus = UnixListener::bind(directory.join("bus")).unwrap();
        let runtime = directory.path().to_str().unwrap();
        let variables = [
            ("XDG_RUNTIME_DIR", runtime),
            ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/system"),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/a;tcp:host=b"),
        ];
        let addresses = session(&environment(&variables)).unwrap();
        assert_eq!(addresses.to_string(), "unix:path=/a;tcp:host=b");
    }

    #[test]
    fn without_a_variable_the_session_bus_is_in_the_runtime_directory() {
        let directory = TestDirectory::new();
        let _bus = UnixListener::bind(directory.join("bus")).unwrap();
        let variables = [("XDG_RUNTIME_DIR", directory.path())];
        is_path(session(&environment(&variables)), &directory.join("bus"));
    }

    #[test]
    fn an_empty_variable_is_none() {
        let directory = TestDirectory::new();
        let _bus = UnixListener::bind(directory.join("bus")).unwrap();
        let runtime = directory.path().to_str().unwrap();
        let variables = [("DBUS_SESSION_BUS_ADDRESS", ""), ("XDG_RUNTIME_DIR", runtime)];
        is_path(session(&environment(&variables)), &directory.join("bus"));

        let variables = [("DBUS_SYSTEM_BUS_ADDRESS", "")];
        is_path(system(&environment(&variables)), Path::new(SYSTEM_BUS));
        let variables = [("DBUS_STARTER_ADDRESS", ""), ("DBUS_STARTER_BUS_TYPE", "")];
        let found = starter(&environment(&variables));
        assert!(matches!(found, Err(BusAddressError::NotStarted)), "{found:?}");
        let variables = [("XDG_RUNTIME_DIR", "")];
        let found = session(&environment(&variables));
        assert!(matches!(found, Err(BusAddressError::NoSessionBus)), "{found:?}");
    }

    #[test]
    fn a_variable_that_is_no_address_is_named_and_not_passed_over() {
        let variables = [("DBUS_SESSION_BUS_ADDRESS", "/run/bus"), ("XDG_RUNTIME_DIR", "/")];
        let error = session(&environment(&variables)).unwrap_err();
        assert!(error.to_string().contains("DBUS_SESSION_BUS_ADDRESS"), "{error}");
        let source = error.source().unwrap().downcast_ref::<AddressError>();
        assert_eq!(source, Some(&AddressError::MissingColon { position: 0 }));
    }

    #[test]
    fn a_variable_that_is_no_text_is_an_error() {
        let variables = [("DBUS_SYSTEM_BUS_ADDRESS", OsStr::from_bytes(b"unix:path=/\xff"))];
        let found = system(&environment(&variables));
        let error = AddressError::Unescaped { position: 11, byte: 0xff };
        assert!(
            matches!(&found, Err(BusAddressError::Invalid { error: e, .. }) if *e == error),
            "{found:?}"
        );
    }

    #[test]
    fn without_any_variable_there_is_no_session_bus() {
        let error = session(&|_| None).unwrap_err();
        assert!(matches!(error, BusAddressError::NoSessionBus), "{error:?}");
        assert!(error.to_string().contains("dbus-run-session"), "{error}");
    }

    #[test]
    fn a_relative_runtime_directory_is_refused() {
        let error = session(&environment(&[("XDG_RUNTIME_DIR", "run")])).unwrap_err();
        assert!(matches!(error, BusAddressError::RelativeRuntimeDirectory { .. }), "{error:?}");
    }

    #[test]
    fn a_runtime_directory_without_a_socket_is_refused_with_the_path() {
        let directory = TestDirectory::new();
        let variables = [("XDG_RUNTIME_DIR", directory.path())];

        let error = session(&environment(&variables)).unwrap_err();
        assert!(error.to_string().contains(directory.join("bus").to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("is the bus running?"), "{error}");

        fs::write(directory.join("bus"), "").unwrap();
        let error = session(&environment(&variables)).unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
    }

    #[test]
    fn a_link_to_a_socket_is_no_session_bus() {
        let directory = TestDirectory::new();
        let _bus = UnixListener::bind(directory.join("other")).unwrap();
        symlink(directory.join("other"), directory.join("bus")).unwrap();

        let found = session(&environment(&[("XDG_RUNTIME_DIR", directory.path())]));
        let problem = RuntimeSocketProblem::NotASocket.to_string();
        assert!(found.unwrap_err().to_string().ends_with(&problem));
    }

    #[test]
    fn a_socket_of_somebody_else_is_no_session_bus() {
        let directory = TestDirectory::new();
        let _bus = UnixListener::bind(directory.join("bus")).unwrap();
        let found = fs::symlink_metadata(directory.join("bus")).unwrap();

        assert!(judge(&found, found.uid()).is_none());
        let stranger = found.uid() + 1;
        let problem = judge(&found, stranger);
        assert!(
            matches!(problem, Some(RuntimeSocketProblem::Foreign { user, .. }) if user == stranger)
        );
    }

    #[test]
    fn the_system_bus_is_where_its_variable_says_or_at_its_place() {
        let variables = [("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/a")];
        is_path(system(&environment(&variables)), Path::new("/a"));
        is_path(system(&|_| None), Path::new("/var/run/dbus/system_bus_socket"));
    }

    #[test]
    fn the_starter_is_where_its_address_says_whatever_its_type() {
        let variables = [
            ("DBUS_STARTER_BUS_TYPE", "system"),
            ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/system"),
            ("DBUS_STARTER_ADDRESS", "unix:path=/starter"),
        ];
        is_path(starter(&environment(&variables)), Path::new("/starter"));
    }

    #[test]
    fn without_its_address_the_starter_is_the_bus_of_its_type() {
        let buses = [
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/session"),
            ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/system"),
        ];
        for (kind, path) in [("session", "/session"), ("system", "/system")] {
            let variables = [buses[0], buses[1], ("DBUS_STARTER_BUS_TYPE", kind)];
            is_path(starter(&environment(&variables)), Path::new(path));
        }
        let variables = [buses[0], buses[1], ("DBUS_STARTER_BUS_TYPE", "user")];
        let found = starter(&environment(&variables));
        assert!(matches!(found, Err(BusAddressError::UnknownBusType { .. })), "{found:?}");
        let found = starter(&environment(&buses));
        assert!(matches!(found, Err(BusAddressError::NotStarted)), "{found:?}");
    }
}
