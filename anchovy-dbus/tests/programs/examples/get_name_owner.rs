//! The first program of a user, on a bus.

use super::harness::*;

#[test]
fn it_prints_the_owner_of_a_name_and_what_a_descriptor_brought() {
    let mut command = example("get_name_owner");
    guarded(|| {
        let daemon = DbusDaemon::start();
        command.arg("org.freedesktop.DBus").env("DBUS_SESSION_BUS_ADDRESS", daemon.address());
        let ended = run_to_end(&mut command);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        assert_eq!(
            ended.stdout,
            "org.freedesktop.DBus is owned by org.freedesktop.DBus\n\
             received \"hello from a file\"\n"
        );
    });
}

#[test]
fn a_name_without_an_owner_is_reported_with_the_causes() {
    let mut command = example("get_name_owner");
    guarded(|| {
        let daemon = DbusDaemon::start();
        command.arg("org.example.Nobody").env("DBUS_SESSION_BUS_ADDRESS", daemon.address());
        let ended = run_to_end(&mut command);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
        assert_eq!(
            ended.stderr,
            "Error: cannot find the owner of \"org.example.Nobody\"\n\nCaused by:\n    \
             org.freedesktop.DBus.Error.NameHasNoOwner: Could not get owner of name \
             'org.example.Nobody': no such name\n"
        );
    });
}
