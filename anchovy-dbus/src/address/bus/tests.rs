//! Environments that lead to a bus, and environments that do not.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use interop_tests::Directory;

use super::super::error::AddressError;
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
    let directory = Directory::new();
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
    let directory = Directory::new();
    let _bus = UnixListener::bind(directory.join("bus")).unwrap();
    let variables = [("XDG_RUNTIME_DIR", directory.path())];
    is_path(session(&environment(&variables)), &directory.join("bus"));
}

#[test]
fn an_empty_variable_is_none() {
    let directory = Directory::new();
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
    let directory = Directory::new();
    let variables = [("XDG_RUNTIME_DIR", directory.path())];

    let error = session(&environment(&variables)).unwrap_err();
    assert!(error.to_string().contains(directory.join("bus").to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("check that the bus is running"), "{error}");

    fs::write(directory.join("bus"), "").unwrap();
    let error = session(&environment(&variables)).unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
}

#[test]
fn a_link_to_a_socket_is_no_session_bus() {
    let directory = Directory::new();
    let _bus = UnixListener::bind(directory.join("other")).unwrap();
    symlink(directory.join("other"), directory.join("bus")).unwrap();

    let found = session(&environment(&[("XDG_RUNTIME_DIR", directory.path())]));
    let problem = RuntimeSocketProblem::NotASocket.to_string();
    assert!(found.unwrap_err().to_string().ends_with(&problem));
}

#[test]
fn a_socket_of_another_user_is_not_a_session_bus() {
    let directory = Directory::new();
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
fn the_system_bus_is_at_its_variable_or_at_the_default_path() {
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
