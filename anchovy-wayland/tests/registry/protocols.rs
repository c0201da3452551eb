//! A comparison of the table of messages with descriptors with the protocol files of other packages.
//!
//! Crates that generate code from protocol files contain those files. The list of interfaces in an example
//! is compared with them, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anchovy_wayland::fds::{self, Kind};
use interop_tests::guarded;
use roxmltree::Document;
use wayland_client::backend::protocol::{ArgumentType, MessageDesc};

/// The table that an example has of all interfaces.
#[path = "../../examples/protocols/mod.rs"]
mod table;

use crate::files::protocol_files;

/// The files in our table that none of them has.
const ELSEWHERE: [&str; 4] =
    ["hyprland-input-capture-v1", "river-xkb-config-v1", "wayland-drm", "weston-debug"];

/// The files that those packages ship, and have no code for.
const WITHOUT_CODE: [&str; 1] = ["xdg-session-management-v1"];

/// Interface, kind and opcode; name, descriptors and first version.
type Messages = BTreeMap<(String, Kind, u16), (String, usize, u32)>;

#[test]
fn the_table_matches_all_protocol_files() {
    guarded(|| {
        let (mut theirs, mut protocols) = (Messages::new(), BTreeSet::new());
        for file in protocol_files() {
            read(&file, &mut theirs, &mut protocols);
        }
        let ours: Messages = fds::ALL
            .iter()
            .filter(|message| !ELSEWHERE.contains(&message.protocol))
            .map(|message| {
                let key = (message.interface.to_owned(), message.kind, message.opcode);
                (key, (message.name.to_owned(), message.count, message.since))
            })
            .collect();
        assert_eq!(theirs, ours);
        // ELSEWHERE lists the protocols that are in no package.
        for message in fds::ALL {
            let known = protocols.contains(message.protocol);
            assert_ne!(known, ELSEWHERE.contains(&message.protocol), "{message:?}");
        }
    });
}

/// The names of the arguments that an example prints.
const ARGUMENT_NAMES: &str = include_str!("../../examples/argument_names/arguments.txt");

#[test]
fn the_argument_names_match_all_protocol_files() {
    guarded(|| {
        let mut interfaces = BTreeMap::new();
        for file in protocol_files() {
            let text = fs::read_to_string(&file).unwrap();
            let document = Document::parse(&text).unwrap();
            if document.root_element().has_tag_name("protocol") {
                let nodes = document.descendants().filter(|node| node.has_tag_name("interface"));
                interfaces.extend(
                    nodes.map(|node| (node.attribute("name").unwrap().to_owned(), messages(node))),
                );
            }
        }
        let mut expected = String::new();
        for (interface, messages) in interfaces.iter().filter(|(_, messages)| !messages.is_empty())
        {
            expected += &format!("{interface}\n{messages}");
        }
        if ARGUMENT_NAMES != expected {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("arguments.txt");
            fs::write(&file, expected).unwrap();
            panic!("arguments.txt should be {}", file.display());
        }
    });
}

/// Returns a line for each message of an interface that has arguments, requests first.
fn messages(interface: roxmltree::Node<'_, '_>) -> String {
    let mut lines = String::new();
    for (tag, sign) in [("request", '>'), ("event", '<')] {
        for message in interface.children().filter(|node| node.has_tag_name(tag)) {
            let mut names = Vec::new();
            for argument in message.children().filter(|node| node.has_tag_name("arg")) {
                let is_new = argument.attribute("type") == Some("new_id");
                if is_new && argument.attribute("interface").is_none() {
                    // Without an interface in the file, the message contains one (wayland.xml, bind).
                    names.extend(["interface", "version"]);
                }
                names.extend(argument.attribute("name"));
            }
            if !names.is_empty() {
                let name = message.attribute("name").unwrap();
                lines += &format!("{sign} {name} {}\n", names.join(" "));
            }
        }
    }
    lines
}

#[test]
fn no_object_that_a_compositor_creates_has_events_with_descriptors() {
    guarded(|| {
        let (mut all, mut created) = (0, BTreeSet::new());
        for file in protocol_files() {
            let text = fs::read_to_string(&file).unwrap();
            let document = Document::parse(&text).unwrap();
            let events = document.descendants().filter(|node| node.has_tag_name("event"));
            let arguments = events.flat_map(|event| event.children());
            for argument in arguments.filter(|node| node.attribute("type") == Some("new_id")) {
                all += 1;
                created.extend(argument.attribute("interface").map(str::to_owned));
            }
        }
        assert!(created.contains("wl_data_offer"), "{created:?}");
        assert!(all >= created.len());
        let with_fds = fds::ALL.iter().filter(|message| message.kind == Kind::Event);
        let with_fds: Vec<_> =
            with_fds.filter(|message| created.contains(message.interface)).collect();
        assert!(with_fds.is_empty(), "{with_fds:?}");
    });
}

#[test]
fn the_opcodes_are_those_of_the_protocol_file() {
    use anchovy_wayland::opcodes::{wl_callback, wl_display, wl_registry};
    guarded(|| {
        let files = protocol_files();
        let file = files.iter().find(|file| file.ends_with("wayland.xml")).unwrap();
        let text = fs::read_to_string(file).unwrap();
        let document = Document::parse(&text).unwrap();
        let named = |interface: &str, kind: &str| -> Vec<String> {
            let mut nodes = document.descendants();
            let of = |node: &roxmltree::Node<'_, '_>| {
                node.has_tag_name("interface") && node.attribute("name") == Some(interface)
            };
            let children = nodes.find(of).unwrap().children();
            let messages = children.filter(|node| node.has_tag_name(kind));
            messages.map(|node| node.attribute("name").unwrap().to_owned()).collect()
        };
        let place = |names: Vec<String>, name: &str| {
            names.iter().position(|other| other == name).unwrap() as u16
        };
        let (requests, events) = (named("wl_display", "request"), named("wl_display", "event"));
        assert_eq!(place(requests.clone(), "sync"), wl_display::SYNC);
        assert_eq!(place(requests, "get_registry"), wl_display::GET_REGISTRY);
        assert_eq!(place(events.clone(), "error"), wl_display::ERROR);
        assert_eq!(place(events, "delete_id"), wl_display::DELETE_ID);
        let (requests, events) = (named("wl_registry", "request"), named("wl_registry", "event"));
        assert_eq!(place(requests, "bind"), wl_registry::BIND);
        assert_eq!(place(events.clone(), "global"), wl_registry::GLOBAL);
        assert_eq!(place(events, "global_remove"), wl_registry::GLOBAL_REMOVE);
        assert_eq!(place(named("wl_callback", "event"), "done"), wl_callback::DONE);
    });
}

#[test]
fn the_spy_knows_each_interface_of_all_protocol_files() {
    guarded(|| {
        let mut without_code = BTreeSet::new();
        for file in protocol_files() {
            let text = fs::read_to_string(&file).unwrap();
            let document = Document::parse(&text).unwrap();
            if !document.root_element().has_tag_name("protocol") {
                continue;
            }
            for interface in document.descendants().filter(|node| node.has_tag_name("interface")) {
                let name = interface.attribute("name").unwrap();
                let Some(known) = table::interface(name) else {
                    without_code.insert(file.file_stem().unwrap().to_str().unwrap().to_owned());
                    continue;
                };
                let of = |tag: &'static str| -> Vec<(&str, usize)> {
                    let children = interface.children().filter(|node| node.has_tag_name(tag));
                    let fds = |message: roxmltree::Node<'_, '_>| {
                        let arguments = message.children();
                        arguments.filter(|node| node.attribute("type") == Some("fd")).count()
                    };
                    children.map(|node| (node.attribute("name").unwrap(), fds(node))).collect()
                };
                assert_eq!(described(known.requests), of("request"), "{name} of {file:?}");
                assert_eq!(described(known.events), of("event"), "{name} of {file:?}");
            }
        }
        assert_eq!(without_code, WITHOUT_CODE.map(str::to_owned).into());
    });
}

/// The name and the number of descriptors of each message.
fn described(messages: &[MessageDesc]) -> Vec<(&str, usize)> {
    let fds = |message: &MessageDesc| {
        message.signature.iter().filter(|kind| matches!(kind, ArgumentType::Fd)).count()
    };
    messages.iter().map(|message| (message.name, fds(message))).collect()
}

fn read(file: &Path, messages: &mut Messages, protocols: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    if !document.root_element().has_tag_name("protocol") {
        return;
    }
    protocols.insert(file.file_stem().unwrap().to_str().unwrap().to_owned());
    for interface in document.descendants().filter(|node| node.has_tag_name("interface")) {
        for (tag, kind) in [("request", Kind::Request), ("event", Kind::Event)] {
            let children = interface.children().filter(|node| node.has_tag_name(tag));
            for (opcode, message) in children.enumerate() {
                let arguments = message.children().filter(|node| node.has_tag_name("arg"));
                let count = arguments.filter(|node| node.attribute("type") == Some("fd")).count();
                if count == 0 {
                    continue;
                }
                let interface = interface.attribute("name").unwrap().to_owned();
                let name = message.attribute("name").unwrap().to_owned();
                let since = message.attribute("since").map_or(1, |since| since.parse().unwrap());
                messages.insert((interface, kind, opcode as u16), (name, count, since));
            }
        }
    }
}
