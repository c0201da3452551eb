//! The footnotes of COMPARISON.md name the test of each property.

use std::fs;
use std::path::Path;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

fn comparison() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../COMPARISON.md"))
        .expect("the comparison of the workspace")
}

/// Returns the number of each footnote that names a test, and that test.
fn footnotes(page: &str) -> Vec<(&str, &str)> {
    let notes = page.lines().filter_map(|line| line.strip_prefix("[^")?.split_once("]: Test `"));
    notes.map(|(number, rest)| (number, rest.split('`').next().unwrap_or(rest))).collect()
}

/// Returns whether a test exists: `module::test` of the tests of the stream or of those with other
/// programs, or `test` of the allocation tests.
fn exists(name: &str) -> bool {
    let (files, test) = match name.rsplit_once("::") {
        Some((module, test)) => {
            let file = format!("{}.rs", module.replace("::", "/"));
            (vec![format!("stream/{file}"), format!("programs/{file}")], test)
        }
        None => (vec!["allocations/main.rs".to_owned()], name),
    };
    let signature = format!("#[test]\nfn {test}() {{");
    files.iter().any(|file| {
        let source = fs::read_to_string(Path::new(TESTS).join(file)).unwrap_or_default();
        source.contains(&signature)
    })
}

#[test]
fn each_footnote_names_a_test_that_exists() {
    let page = comparison();
    let footnotes = footnotes(&page);
    assert!(footnotes.len() > 15, "{footnotes:?}");
    for (_, name) in footnotes {
        assert!(exists(name), "there is no test {name}");
    }
}

#[test]
fn each_property_of_anchovy_has_a_footnote_with_its_test() {
    let page = comparison();
    let footnotes = footnotes(&page);
    let rows = page.lines().filter(|line| line.starts_with('|')).skip(2);
    for row in rows {
        let cell = row.split('|').nth(2).expect("the column of anchovy");
        let number = cell.split("[^").nth(1).and_then(|rest| rest.trim().strip_suffix(']'));
        assert!(footnotes.iter().any(|(note, _)| Some(*note) == number), "{row}");
    }
}
