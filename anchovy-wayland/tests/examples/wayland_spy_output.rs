//! The output of the example `wayland_spy`: its filters, its colors, and JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::harness::*;
use crate::wayland_spy::with_command;

/// Reads lines of JSON, and checks each object, its arguments and its descriptors against the pages.
fn objects(lines: &str) -> Vec<Map<String, Value>> {
    let messages = JsonPage::parse(include_str!("../../examples/wire_line/JSON.md"));
    let arguments = JsonPage::parse(include_str!("../../examples/wire_line/ARGUMENTS.md"));
    let descriptors = JsonPage::parse(include_str!("../../examples/describe/JSON.md"));
    let check = |line: &str| {
        let object: Map<String, Value> = serde_json::from_str(line).expect("an object");
        messages.check(object["event"].as_str().unwrap(), &object);
        for (key, page, section) in
            [("arguments", &arguments, "type"), ("fds", &descriptors, "kind")]
        {
            for element in object.get(key).into_iter().flat_map(|array| array.as_array().unwrap()) {
                let element = element.as_object().unwrap();
                page.check(element[section].as_str().unwrap(), element);
            }
        }
        object
    };
    lines.lines().map(check).collect()
}

/// Runs a client of the fake compositor with these options of the spy, and returns the output of the spy.
fn spied(options: &[&str]) -> String {
    let client = example_path("shm_client");
    let mut lines = String::new();
    with_command(1, |_, command| {
        command.args(options).arg("--").arg(client).args(["--frames", "2"]);
        let ended = run_to_end(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        lines = ended.stderr;
    });
    lines
}

#[test]
fn json_matches_the_pages() {
    let objects = objects(&spied(&["--json"]));
    assert_eq!(objects.first().unwrap()["event"], "connected");
    assert_eq!(objects.last().unwrap()["event"], "disconnected");
    assert_eq!(objects.last().unwrap()["by"], "client");
    let messages = objects.iter().filter(|object| object["event"] == "message");
    let arguments = messages.flat_map(|message| message["arguments"].as_array().unwrap());
    let types: BTreeSet<_> = arguments.map(|it| it["type"].as_str().unwrap().to_owned()).collect();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    assert_eq!(types, ["array", "fd", "int", "new_id", "object", "string", "uint"]);

    let pool = objects.iter().find(|object| object.get("name") == Some(&"create_pool".into()));
    let mut pool = pool.unwrap().clone();
    pool.remove("time");
    let expected = serde_json::json!({
        "event": "message", "client": 1, "from": "client",
        "object": { "interface": "wl_shm", "id": 5 },
        "name": "create_pool", "opcode": 0, "bytes": 16,
        "arguments": [
            { "name": "id", "type": "new_id", "value": { "interface": "wl_shm_pool", "id": 7 } },
            { "name": "fd", "type": "fd", "value": 0 },
            { "name": "size", "type": "int", "value": 524_288 },
        ],
        "fds": [{
            "kind": "memfd", "name": "shm_client", "size": 524_288, "seals": ["seal", "shrink"],
            "access": "read+write", "append": false, "nonblock": false,
        }],
        "destroyed": false,
    });
    assert_eq!(Value::Object(pool), expected);
}

#[test]
fn filters_select_interfaces_and_messages() {
    // The interface and the name of each message, without repetitions.
    let filtered = |filters: &[&str]| -> Vec<String> {
        let mut names = BTreeSet::new();
        for object in objects(&spied(&[&["--json"], filters].concat())) {
            if object["event"] == "message" {
                let interface = object["object"]["interface"].as_str().unwrap();
                names.insert(format!("{interface}.{}", object["name"].as_str().unwrap()));
            }
        }
        names.into_iter().collect()
    };
    let pool = ["wl_shm_pool.create_buffer", "wl_shm_pool.destroy"];
    assert_eq!(filtered(&["--interface", "wl_shm_pool"]), pool);
    let create = ["wl_shm.create_pool", "wl_shm_pool.create_buffer"];
    assert_eq!(filtered(&["--interface", "wl_shm*", "--request", "create_*"]), create);
    let both = ["wl_buffer.release", "wl_surface.attach"];
    assert_eq!(filtered(&["--request", "attach", "--event", "release"]), both);
    assert_eq!(filtered(&["--interface", "wl_shm", "--event", "release"]), [""; 0]);
}

#[test]
fn only_a_terminal_gets_colors() {
    let globals = example_path("globals");
    with_command(2, |_, command| {
        command.arg("--").arg(globals).env_remove("NO_COLOR");
        let output = terminal_output(command);
        assert!(output.contains("\x1b[1mget_registry\x1b[0m"), "{output:?}");
        assert!(!run_to_end(command).stderr.contains('\x1b'), "a pipe is no terminal");
    });
}
