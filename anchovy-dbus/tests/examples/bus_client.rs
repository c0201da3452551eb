//! The client, on a bus.

use crate::harness::*;

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: bus_client [ADDRESS]"),
        (&[], 1, "Error: cannot find a session bus"),
        (&["--who"], 1, "Usage: bus_client [ADDRESS]"),
        (&["unix:path=/a", "unix:path=/b"], 1, "Usage: bus_client [ADDRESS]"),
        (&["unix:way=/a"], 1, "\"unix:way=/a\" is not a valid list of D-Bus addresses"),
        (&["unix:path=/nonexistent/bus"], 1, "/nonexistent/bus"),
    ] {
        let mut command = example("bus_client");
        guarded(|| {
            let ended = run_to_end(command.args(arguments));
            let said = ended.stdout + &ended.stderr;
            assert_eq!(ended.code, Some(code), "{arguments:?}: {said}");
            assert!(said.contains(part) && !said.contains("panicked"), "{arguments:?}: {said}");
        });
    }
}
