//! The spy, between a program and a bus.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anchovy_dbus::{Address, Addresses, Client, Message};
use rustix::process::Signal;

use super::harness::*;

/// Has a test run the spy with a command, on a bus.
pub(crate) fn on_a_bus(test: impl FnOnce(&DbusDaemon, &mut std::process::Command)) {
    let mut command = example("dbus_spy");
    guarded(|| {
        let daemon = DbusDaemon::start();
        // Where private directories are made, so that one that stays is noticed.
        let directory = Directory::new();
        command.env("TMPDIR", directory.path());
        command.env("DBUS_SESSION_BUS_ADDRESS", daemon.address());
        test(&daemon, &mut command);
        assert_eq!(entries(directory.path()), Vec::<std::path::PathBuf>::new());
    });
}

pub(crate) const LIST_NAMES: [&str; 4] = [
    "--print-reply=literal",
    "--dest=org.freedesktop.DBus",
    "/org/freedesktop/DBus",
    "org.freedesktop.DBus.ListNames",
];

#[test]
fn a_program_has_its_output_and_we_have_its_messages() {
    on_a_bus(|_, command| {
        let ended = run_to_end(command.args(["--", "dbus-send", "--session"]).args(LIST_NAMES));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let names: Vec<_> = ended.stdout.split_whitespace().collect();
        let name = names.iter().find(|name| name.starts_with(':')).expect("our name");
        assert!(names.contains(&"org.freedesktop.DBus"), "{names:?}");

        let bus = "org.freedesktop.DBus";
        let lines: Vec<_> = ended.stderr.lines().skip(1).map(words_of).collect();
        let ends = (&*lines[0], &**lines.last().unwrap());
        assert_eq!(ends, ("client 1 connected", "client 1 closed the connection"));
        // A call and a signal of the bus may cross, so each direction is checked alone.
        let calls: Vec<_> = lines.iter().filter(|line| line.starts_with("1 > ")).collect();
        let answers: Vec<_> = lines.iter().filter(|line| line.starts_with("1 < ")).collect();
        let ([hello, list], [named, _acquired, names]) = (&calls[..], &answers[..]) else {
            panic!("{lines:#?}");
        };
        assert_eq!(lines.len(), 2 + 2 + 3, "{lines:#?}");
        let call = format!("{bus} /org/freedesktop/DBus {bus}");
        assert_eq!(**hello, format!("1 > call 1 - - {call}.Hello() 0 bytes"));
        assert!(named.starts_with(&format!("1 < return 1 1 {bus} {name} (s)")), "{named}");
        assert_eq!(**list, format!("1 > call 2 - {name} {call}.ListNames() 0 bytes"));
        assert!(names.starts_with(&format!("1 < return 3 2 {bus} {name} (as)")), "{names}");
    });
}

#[test]
fn what_a_program_says_last_arrives() {
    on_a_bus(|daemon, command| {
        let bus = daemon.address().parse::<Addresses>().unwrap();
        command.args(["--", "dbus-send", "--session", "--type=signal", "/"]);
        command.args(["org.example.Test.Last", "string:words"]);
        runtime().block_on(async {
            let mut listening = Client::new().connect(&bus).await.unwrap();
            for (member, rule) in
                [("Hello", None), ("AddMatch", Some("interface='org.example.Test'"))]
            {
                let mut call = Message::method_call("/org/freedesktop/DBus", member)
                    .interface("org.freedesktop.DBus")
                    .destination("org.freedesktop.DBus");
                if let Some(rule) = rule {
                    let length = (rule.len() as u32).to_ne_bytes();
                    call = call.body("s", [&length, rule.as_bytes(), &[0]].concat());
                }
                let serial = listening.send(call.build().unwrap()).await.unwrap();
                while receive(&mut listening).await.header().reply_serial() != Some(serial) {}
            }
            for _ in 0..20 {
                let ended = run_to_end(command);
                assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{}", ended.stderr);
                assert!(ended.stderr.contains(" / org.example.Test.Last(s) 10 bytes"));
                loop {
                    let message = receive(&mut listening).await;
                    if message.header().member() == Some("Last") {
                        break assert_eq!(string(&message), "words");
                    }
                }
            }
        });
    });
}

#[test]
fn it_ends_as_its_command_does() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9)] {
        on_a_bus(|_, command| {
            let ended = run_to_end(command.args(["--", "sh", "-c", script]));
            assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(code), "", ""));
        });
    }
    for (program, code) in [("/nonexistent", 127), ("/dev/null", 126)] {
        on_a_bus(|_, command| {
            let ended = run_to_end(command.args(["--", program]));
            assert_eq!(ended.code, Some(code), "{}", ended.stderr);
            assert!(
                ended.stderr.starts_with(&format!("dbus_spy: {program}: ")),
                "{}",
                ended.stderr
            );
        });
    }
    on_a_bus(|_, command| {
        // It ends with its input, too, if the signal does not arrive.
        command.args(["--", "sh", "-c", "echo ready; exec cat"]);
        let mut peer = Peer::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let stdin = peer.take_stdin();
        let mut line = String::new();
        BufReader::new(peer.take_stdout().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        peer.signal(Signal::TERM);
        assert_eq!(peer.wait().code(), Some(128 + 15));
        drop(stdin);
    });
}

#[test]
fn a_command_finds_it_where_it_would_find_the_bus() {
    let script = r#"echo "$DBUS_SESSION_BUS_ADDRESS|$DBUS_SYSTEM_BUS_ADDRESS""#;
    for (options, is_system) in [(&[][..], false), (&["--session"], false), (&["--system"], true)] {
        on_a_bus(|daemon, command| {
            command.env("DBUS_SYSTEM_BUS_ADDRESS", daemon.address());
            let ended = run_to_end(command.args(options).args(["--", "sh", "-c", script]));
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let (session, system) = ended.stdout.trim_end().split_once('|').unwrap();
            let (spy, other) = if is_system { (system, session) } else { (session, system) };
            assert_eq!(other, daemon.address());
            assert_ne!(spy, daemon.address());
            let [spy, bus] = [spy, daemon.address()].map(|text| text.parse::<Address>().unwrap());
            assert_eq!(spy.guid(), bus.guid());
        });
    }
}

#[test]
fn both_signals_end_it_and_it_removes_its_directory() {
    for signal in [Signal::INT, Signal::TERM] {
        on_a_bus(|_, command| {
            let mut spy = Program::start(command);
            runtime().block_on(async {
                let mut client = Client::new().connect(&spy.address).await.unwrap();
                let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
                    .interface("org.freedesktop.DBus")
                    .destination("org.freedesktop.DBus");
                call(&mut client, hello.build().unwrap()).await;
                spy.line_with("1 < return");
                assert_eq!(spy.end_with(signal), Some(0));
            });
        });
    }
}
