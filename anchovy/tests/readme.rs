//! Checks that the tests named in the README's comparison with other crates exist.

use std::fs;
use std::path::Path;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Returns the cells of anchovy's column, without its heading.
fn our_cells(readme: &str) -> Vec<&str> {
    let (_, rest) = readme.split_once("\n## Beside others\n").expect("the section");
    let section = rest.split("\n## ").next().expect("what is before the next section");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split('|').nth(2).expect("our column").trim()).collect()
}

/// Returns whether a test exists: `module::test` is a test of the stream, and `test` is one of the
/// allocations.
fn exists(name: &str) -> bool {
    let file = match name.rsplit_once("::") {
        Some((module, _)) => {
            Path::new(TESTS).join("stream").join(module.replace("::", "/")).with_extension("rs")
        }
        None => Path::new(TESTS).join("allocations.rs"),
    };
    let test = name.rsplit("::").next().expect("a name");
    let source = fs::read_to_string(file).unwrap_or_default();
    source.contains(&format!("#[test]\nfn {test}() {{"))
}

#[test]
fn every_cell_for_anchovy_names_an_existing_test() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))
        .expect("the README of the workspace");
    let cells = our_cells(&readme);
    assert!(cells.len() > 15, "the table was not found: {cells:?}");
    for cell in cells {
        let name = cell.split('`').nth(1).unwrap_or_else(|| panic!("{cell:?} names no test"));
        assert!(exists(name), "there is no test {name}");
    }
}
