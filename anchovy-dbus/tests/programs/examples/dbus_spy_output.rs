//! The output of the spy between a program and a bus: JSON, filters and colors.

use serde_json::{Map, Value};

use super::dbus_spy::{LIST_NAMES, on_a_bus};
use super::harness::*;

#[test]
fn json_of_a_real_program_matches_the_page() {
    on_a_bus(|_, command| {
        command.args(["--json", "--", "dbus-send", "--session"]).args(LIST_NAMES);
        let ended = run_to_end(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let objects = objects(&ended.stderr);
        let events: Vec<_> =
            objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
        let message = "message";
        assert_eq!(
            events,
            ["connected", message, message, message, message, message, "disconnected"]
        );
        let fields = |object: &Map<String, Value>, fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|field| object[*field].to_string()).collect();
            fields.join(" ")
        };
        let call = fields(&objects[4], &["client", "from", "type", "serial", "member", "flags"]);
        assert_eq!(call, r#"1 "client" "call" 2 "ListNames" []"#);
        let reply = fields(&objects[5], &["client", "from", "type", "reply_serial", "signature"]);
        assert_eq!(reply, r#"1 "server" "return" 2 "as""#);
        assert_eq!(objects[4]["sender"], objects[5]["destination"]);
        assert_eq!(fields(&objects[6], &["client", "by"]), r#"1 "client""#);
        let times: Vec<_> = objects.iter().map(|object| object["time"].as_f64().unwrap()).collect();
        assert!(times.is_sorted() && times[0] > 1.7e9, "{times:?}");
    });
}

/// Returns the types and members of the messages that the spy prints with these filters.
fn filtered(filters: &[&str]) -> Vec<String> {
    let mut printed = Vec::new();
    on_a_bus(|_, command| {
        command.args(filters).args(["--json", "--", "dbus-send", "--session"]).args(LIST_NAMES);
        let ended = run_to_end(command);
        assert!(ended.stdout.contains("org.freedesktop.DBus"), "{ended:?}");
        for object in objects(&ended.stderr) {
            if let Some(kind) = object.get("type") {
                let member = object.get("member").and_then(Value::as_str);
                printed.push(format!("{} {}", kind.as_str().unwrap(), member.unwrap_or("-")));
            }
        }
    });
    printed
}

#[test]
fn a_filter_selects_calls_together_with_their_replies() {
    let list = ["call ListNames", "return -"];
    assert_eq!(filtered(&["--member", "ListNames"]), list);
    assert_eq!(filtered(&["--member", "List*", "--interface", "org.freedesktop.DBus"]), list);
    assert_eq!(filtered(&["--member", "ListNames", "--interface", "org.example"]), [""; 0]);
    // The client has no name before the reply to Hello.
    assert_eq!(filtered(&["--sender", ":*"]), list);
    assert_eq!(filtered(&["--sender", "org.freedesktop.DBus"]), ["signal NameAcquired"]);
    let both = ["--member", "Hello", "--member", "NameAcquired"];
    assert_eq!(filtered(&both), ["call Hello", "return -", "signal NameAcquired"]);
}

#[test]
fn only_a_terminal_gets_colors() {
    on_a_bus(|_, command| {
        command.args(["--", "dbus-send", "--session"]).args(LIST_NAMES).env_remove("NO_COLOR");
        let output = terminal_output(command);
        assert!(output.contains("\x1b[36mcall  \x1b[0m"), "{output:?}");
        assert!(!run_to_end(command).stderr.contains('\x1b'), "a pipe is not a terminal");
        let output = terminal_output(command.env("NO_COLOR", ""));
        assert!(output.contains('\x1b'), "{output:?}");
        let output = terminal_output(command.env("NO_COLOR", "1"));
        assert!(output.contains("ListNames") && !output.contains('\x1b'), "{output:?}");
    });
    on_a_bus(|_, command| {
        command.args(["--color", "always", "--", "dbus-send", "--session"]).args(LIST_NAMES);
        assert!(run_to_end(command).stderr.contains("\x1b[36mcall  \x1b[0m"));
    });
}

#[test]
fn lines_in_a_file_leave_both_streams_to_the_command() {
    let directory = Directory::new();
    let file = directory.join("lines");
    on_a_bus(|_, command| {
        command.arg("--output").arg(&file).args(["--", "dbus-send", "--session"]);
        let ended = run_to_end(command.args(LIST_NAMES));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let lines = std::fs::read_to_string(&file).unwrap();
        let columns = "TIME CLIENT TYPE SERIAL REPLY-TO SENDER DESTINATION MESSAGE";
        assert_eq!(lines.lines().next().map(words_of).as_deref(), Some(columns));
        assert!(lines.contains("ListNames") && !ended.stdout.contains("ListNames"), "{ended:?}");
    });
}
