//! The list of pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use guides::PAGES;

#[test]
fn every_page_is_a_doc_test() {
    let tested: BTreeSet<_> = PAGES.iter().map(|page| page.to_string()).collect();
    assert_eq!(pages(), tested, "docs/src/lib.rs lists other pages than there are");
}

#[test]
fn the_index_links_to_every_page() {
    let index = fs::read_to_string("README.md").unwrap();
    for page in pages().iter().filter(|page| *page != "README.md") {
        assert!(index.contains(&format!("]({page})")), "README.md does not link to {page}");
    }
}

/// A program must be complete as it is shown, and GitHub shows the lines that rustdoc hides.
#[test]
fn no_page_has_hidden_lines_of_code() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (number, line) in rust_lines(&text) {
            let hidden = line.trim_start() == "#" || line.trim_start().starts_with("# ");
            assert!(!hidden, "{page}:{number}: {line}");
        }
    }
}

/// Returns the lines of Rust code, with their numbers.
fn rust_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut language = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        match (line.trim_start().strip_prefix("```"), language) {
            (Some(info), None) => language = Some(info),
            (Some(_), Some(_)) => language = None,
            (None, Some(info)) if info.starts_with("rust") => return Some((index + 1, line)),
            (None, _) => {}
        }
        None
    })
}

/// Returns the Markdown files of this package, relative to it.
fn pages() -> BTreeSet<String> {
    [".", "migration"].into_iter().flat_map(|directory| pages_in(Path::new(directory))).collect()
}

fn pages_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let relative = pages.map(|path| path.strip_prefix(".").unwrap_or(&path).to_owned());
    relative.map(|path| path.to_str().unwrap().to_owned()).collect()
}
