//! The sections `[dependencies]` that the pages show. A reader copies them along with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use guides::{PAGES, READMES};

/// Features of crates: a program needs the feature if it contains one of the texts.
const FEATURES: &[(&str, &str, &[&str])] = &[
    ("anchovy", "codec", &["anchovy::codec"]),
    ("anchovy-dbus", "zbus", &[".body_of(", ".body_as"]),
    ("futures-util", "sink", &["SinkExt"]),
    ("hyper", "client", &["client::conn"]),
    ("hyper", "http1", &["http1::"]),
    ("hyper", "server", &["server::conn"]),
    ("hyper-util", "tokio", &["hyper_util::rt::TokioIo"]),
    ("rustix", "fs", &["rustix::fs"]),
    ("rustix", "net", &["rustix::net"]),
    ("sendfd", "tokio", &["tokio::net"]),
    ("tokio", "io-util", &["AsyncReadExt", "AsyncWriteExt", "AsyncBufReadExt"]),
    ("tokio", "macros", &["#[tokio::main", "tokio::select!", "tokio::join!"]),
    ("tokio", "net", &["tokio::net"]),
    ("tokio", "process", &["tokio::process"]),
    ("tokio", "rt", &["#[tokio::main(flavor = \"current_thread\")]"]),
    ("tokio", "rt-multi-thread", &["#[tokio::main]"]),
    ("tokio", "sync", &["tokio::sync"]),
    ("tokio", "time", &["tokio::time"]),
    ("tokio-util", "codec", &["tokio_util::codec"]),
    ("zbus", "tokio", &["zbus::connection"]),
];

#[test]
fn each_page_shows_the_crates_that_its_programs_use_and_no_others() {
    let known: Vec<_> =
        dependencies(&fs::read_to_string("Cargo.toml").unwrap()).into_keys().collect();
    for page in pages() {
        let used: BTreeSet<_> = known.iter().filter(|name| uses(&page.code, name)).collect();
        let shown: BTreeSet<_> = page.shown.keys().collect();
        assert_eq!(shown, used, "{}", page.path);
    }
}

#[test]
fn each_page_shows_the_features_that_its_programs_need_and_no_others() {
    for page in pages() {
        for (name, shown) in &page.shown {
            let rows = FEATURES.iter().filter(|(of, _, texts)| {
                of == name && texts.iter().any(|text| page.code.contains(text))
            });
            let needed: BTreeSet<_> = rows.map(|(_, feature, _)| feature.to_string()).collect();
            assert_eq!(shown.features, needed, "{}: features of {name}", page.path);
        }
    }
}

#[test]
fn each_page_shows_the_versions_of_the_workspace() {
    let ours = dependencies(&fs::read_to_string("Cargo.toml").unwrap());
    let shared = dependencies(&fs::read_to_string("../Cargo.toml").unwrap());
    for page in pages() {
        for (name, shown) in &page.shown {
            if let Some(path) = &shown.path {
                assert_eq!(*path, format!("../anchovy/{name}"), "{}", page.path);
                continue;
            }
            let version = ours[name].version.as_ref().or_else(|| shared[name].version.as_ref());
            let (version, shown) = (version.unwrap(), shown.version.as_ref().unwrap());
            let matches = format!("{version}.").starts_with(&format!("{shown}."));
            assert!(matches, "{}: {name} {shown}, the workspace has {version}", page.path);
        }
    }
}

/// A page that has programs.
struct Page {
    path: &'static str,
    /// The programs.
    code: String,
    /// The dependencies that the page shows, by the name of the crate.
    shown: BTreeMap<String, Dependency>,
}

struct Dependency {
    version: Option<String>,
    path: Option<String>,
    features: BTreeSet<String>,
}

/// Returns the pages that have programs.
fn pages() -> Vec<Page> {
    let read = |path: &'static str| {
        let text = fs::read_to_string(path).unwrap();
        let shown = dependencies(&blocks(&text, "toml"));
        Page { path, code: blocks(&text, "rust"), shown }
    };
    let pages: Vec<_> = PAGES.iter().chain(READMES).copied().map(read).collect();
    pages.into_iter().filter(|page| !page.code.is_empty()).collect()
}

/// Returns the code blocks of a language.
fn blocks(text: &str, language: &str) -> String {
    let mut blocks = String::new();
    let mut wanted = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), wanted) {
            (Some(info), None) => wanted = Some(info.split(',').next() == Some(language)),
            (Some(_), Some(_)) => wanted = None,
            (None, Some(true)) => blocks += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

/// Returns the dependencies of a manifest that has one on each line.
fn dependencies(manifest: &str) -> BTreeMap<String, Dependency> {
    let mut dependencies = BTreeMap::new();
    let mut in_section = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_section = line.ends_with("dependencies]");
        }
        if !in_section {
            continue;
        }
        let Some((name, value)) = line.split_once(" = ") else { continue };
        let name = name.trim_end_matches(".workspace").to_owned();
        let version = value.strip_prefix('"').or_else(|| after(value, "version = \""));
        let features = after(value, "features = [").map_or("", |rest| up_to(rest, ']'));
        let dependency = Dependency {
            version: version.map(|rest| up_to(rest, '"').to_owned()),
            path: after(value, "path = \"").map(|rest| up_to(rest, '"').to_owned()),
            // `"a", "b"`: every second part is a name.
            features: features.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        dependencies.insert(name, dependency);
    }
    dependencies
}

fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.split_once(prefix).map(|(_, rest)| rest)
}

fn up_to(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or_default()
}

/// Returns whether the code has a path that begins with this crate.
fn uses(code: &str, name: &str) -> bool {
    let prefix = format!("{}::", name.replace('-', "_"));
    code.match_indices(&prefix).any(|(index, _)| {
        let before = code[..index].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || "_:".contains(character))
    })
}
