//! The table of dependencies with unsafe code in SECURITY.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use proc_macro2::{TokenStream, TokenTree};

use super::metadata::Package;

/// Checks that the table names the dependencies that have unsafe code, and no others.
pub(super) fn check(page: &str, packages: &[Package]) -> Result<()> {
    let named = named(page).context("SECURITY.md has no table of dependencies")?;
    let mut found = BTreeSet::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        if has_unsafe_code(&package.directory.join("src"))? {
            found.insert(&*package.name);
        }
    }
    let (missing, other) = (found.difference(&named), named.difference(&found));
    let (missing, other): (Vec<_>, Vec<_>) = (missing.collect(), other.collect());
    ensure!(
        missing.is_empty(),
        "SECURITY.md does not name these, which have unsafe code: {missing:?}"
    );
    ensure!(other.is_empty(), "SECURITY.md names these, which have no unsafe code: {other:?}");
    eprintln!("SECURITY.md names the {} dependencies with unsafe code", found.len());
    Ok(())
}

/// Returns the first cells of the table.
fn named(page: &str) -> Option<BTreeSet<&str>> {
    let (_, table) = page.split_once("| Dependency | Unsafe code for |\n|---|---|\n")?;
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split_once(" |"));
    let names = rows.flat_map(|(cell, _)| cell.split(", "));
    Some(names.collect())
}

/// Returns whether a file in a directory has the keyword `unsafe`.
fn has_unsafe_code(directory: &Path) -> Result<bool> {
    let cannot_read = || format!("cannot read {}", directory.display());
    for entry in fs::read_dir(directory).with_context(cannot_read)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            has_unsafe_code(&path)?
        } else {
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            is_rust && has_keyword(&fs::read_to_string(&path).with_context(cannot_read)?)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a source has the keyword `unsafe` outside of comments and texts.
fn has_keyword(source: &str) -> bool {
    // Most files do not even have the word, and reading tokens takes long.
    if !source.contains("unsafe") {
        return false;
    }
    // A file that cannot be read as Rust is taken at its word.
    source.parse::<TokenStream>().map_or(true, is_keyword_in)
}

fn is_keyword_in(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "unsafe",
        TokenTree::Group(group) => is_keyword_in(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_counts_outside_of_comments_and_texts() {
        assert!(has_keyword("fn a() { unsafe { b() } }"));
        assert!(has_keyword("macro_rules! a { () => { unsafe {} } }"));
        assert!(!has_keyword("#![forbid(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";"));
    }

    #[test]
    fn the_table_may_name_several_crates_in_a_row() {
        let page =
            "| Dependency | Unsafe code for |\n|---|---|\n| a, b | c |\n| d | e |\n\ntext | f";
        assert_eq!(named(page).unwrap(), BTreeSet::from(["a", "b", "d"]));
        assert_eq!(named("text"), None);
    }
}
