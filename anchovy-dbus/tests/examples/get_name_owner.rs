//! The first program of a user, on a bus.

use crate::harness::*;

#[test]
fn without_a_bus_or_a_name_it_says_what_to_do() {
    for (name, address, text) in [
        (None, None, "Error: usage: get_name_owner NAME\n"),
        (
            Some("org.example.Name"),
            None,
            "Error: cannot find a session bus, neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR \
             is set; use a login session or dbus-run-session\n",
        ),
        (
            Some("org.example.Name"),
            Some("unix:way=/a"),
            "Error: the value \"unix:way=/a\" of DBUS_SESSION_BUS_ADDRESS is not a valid list of \
             D-Bus addresses\n\nCaused by:\n    a Unix socket has no key way (byte 5); use path, \
             abstract, dir, tmpdir, runtime or guid\n",
        ),
    ] {
        let mut command = example("get_name_owner");
        guarded(|| {
            command.args(name);
            if let Some(address) = address {
                command.env("DBUS_SESSION_BUS_ADDRESS", address);
            }
            let ended = run_to_end(&mut command);
            assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
            assert_eq!(ended.stderr, text);
        });
    }
}

#[test]
fn it_is_complete_in_40_lines() {
    let text = include_str!("../../examples/get_name_owner.rs");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.clone().count() <= 40, "{} lines", lines.count());
    assert!(!text.contains("\nmod ") && !text.contains("include!"));
}
