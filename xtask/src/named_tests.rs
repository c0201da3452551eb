//! A check of the tests that Markdown pages name as evidence, as `path/of/file.rs::test`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command;

/// Checks that each test that a Markdown page names exists.
///
/// # Errors
///
/// Fails with one line for each test that does not.
pub(crate) fn check_all() -> Result<()> {
    let tracked = command::output(command::program("git").args(["ls-files", "*.md"]))?;
    let mut missing = Vec::new();
    let mut count = 0;
    for page in tracked.lines() {
        let text = fs::read_to_string(command::root().join(page))
            .with_context(|| format!("cannot read {page}"))?;
        for (file, test) in named_tests(&text) {
            count += 1;
            if !exists(command::root(), file, test) {
                missing.push(format!("{page}: there is no test {test} in {file}"));
            }
        }
    }
    ensure!(missing.is_empty(), "{} missing tests:\n{}", missing.len(), missing.join("\n"));
    eprintln!("{count} named tests exist");
    Ok(())
}

/// Returns the file and the name of each test in a code span.
fn named_tests(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.split_once("::").filter(|(file, _)| file.ends_with(".rs")))
}

fn exists(root: &Path, file: &str, test: &str) -> bool {
    let source = fs::read_to_string(root.join(file)).unwrap_or_default();
    let mut lines = source.lines().map(str::trim);
    let signature = format!("fn {test}()");
    while lines.any(|line| line == "#[test]") {
        // Other attributes can follow.
        let next = lines.by_ref().find(|line| !line.starts_with("#["));
        if next.is_some_and(|line| line.starts_with(&signature)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_test_is_a_file_and_a_function_in_a_code_span() {
        let page = "| a row | `a/b.rs::c`, `d.rs` and `e` |\n`f.rs::g`";
        let found: Vec<_> = named_tests(page).collect();
        assert_eq!(found, [("a/b.rs", "c"), ("f.rs", "g")]);
    }

    #[test]
    fn a_function_that_is_no_test_does_not_count() {
        let exists = |test| exists(command::root(), "xtask/src/named_tests.rs", test);
        assert!(exists("a_function_that_is_no_test_does_not_count"));
        assert!(!exists("check_all") && !exists("a_function") && !exists("none"));
    }

    #[test]
    fn the_pages_of_the_repository_name_tests_that_exist() {
        check_all().unwrap();
    }
}
