//! The table of messages with descriptors, held against the protocol files of other packages.
//!
//! Crates that generate code from protocol files ship those files. They are dependencies of this
//! test for nothing else, and cargo says where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anchovy_wayland::fds::{self, Kind};
use interop_tests::guarded;
use roxmltree::Document;

/// The packages that have protocol files.
const PACKAGES: [&str; 5] = [
    "wayland-client",
    "wayland-protocols",
    "wayland-protocols-misc",
    "wayland-protocols-plasma",
    "wayland-protocols-wlr",
];

/// The files in our table that none of them has.
const ELSEWHERE: [&str; 5] = [
    "hyprland-input-capture-v1",
    "river-xkb-config-v1",
    "wayland-drm",
    "weston-debug",
    "wlproxy-test",
];

/// Interface, kind and opcode; name, descriptors and first version.
type Messages = BTreeMap<(String, Kind, u16), (String, usize, u32)>;

#[test]
fn the_table_has_each_message_with_descriptors_of_all_protocol_files_and_no_other() {
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
        // What others have is theirs to say, and what they do not have is listed.
        for message in fds::ALL {
            let known = protocols.contains(message.protocol);
            assert_ne!(known, ELSEWHERE.contains(&message.protocol), "{message:?}");
        }
    });
}

#[test]
fn the_display_the_registry_and_callbacks_have_the_opcodes_of_their_file() {
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

fn protocol_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for package in packages() {
        let before = files.len();
        find(&package, &mut files);
        assert!(files.len() > before, "{package:?} has protocol files");
    }
    files
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
}

/// Where cargo has the sources of [`PACKAGES`].
fn packages() -> Vec<PathBuf> {
    let cargo = |arguments: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = cargo(&["version", "--verbose"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = cargo(&[
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        host,
        "--manifest-path",
        manifest,
    ]);
    // The only strings with these keys are paths, in which nothing is escaped here.
    let manifests = metadata.split("\"manifest_path\":\"").skip(1);
    let directories: Vec<&Path> = manifests
        .map(|rest| Path::new(rest.split('"').next().unwrap()).parent().unwrap())
        .collect();
    let of = |name: &&str| {
        let is_it = |directory: &&&Path| {
            let last = directory.file_name().unwrap().to_str().unwrap();
            let version = last.strip_prefix(*name).and_then(|rest| rest.strip_prefix('-'));
            version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        };
        directories.iter().find(is_it).unwrap_or_else(|| panic!("no {name}")).to_path_buf()
    };
    PACKAGES.iter().map(of).collect()
}
