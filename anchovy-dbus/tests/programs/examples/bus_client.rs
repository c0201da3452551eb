//! The client, on a bus.

use super::harness::*;

#[test]
fn it_lists_the_names_on_a_bus() {
    let mut command = example("bus_client");
    guarded(|| {
        let daemon = DbusDaemon::start();
        let mut peer = Peer::start_recorded(command.arg(daemon.address()));
        let (id, code) = (peer.id(), peer.wait().code());
        let (stdout, stderr) = (peer.stdout(), peer.stderr());
        assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");

        let guid = daemon.address().split_once("guid=").unwrap().1;
        let lines: Vec<_> = stdout.lines().collect();
        let unique = lines[2].strip_prefix("unique name ").unwrap();
        let expected = [
            &*format!("bus {guid}"),
            "descriptor passing: yes",
            &*format!("unique name {unique}"),
            &*format!("{unique}  process {id}"),
            "org.freedesktop.DBus",
        ];
        assert_eq!(lines, expected);
    });
}

#[test]
fn it_finds_the_session_bus_by_itself() {
    let mut command = example("bus_client");
    guarded(|| {
        let daemon = DbusDaemon::start();
        let ended = run_to_end(command.env("DBUS_SESSION_BUS_ADDRESS", daemon.address()));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains("\norg.freedesktop.DBus\n"), "{}", ended.stdout);
    });
}
