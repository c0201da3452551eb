//! The subcommand `cargo xtask words`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::check::{self, Finding};
use super::rules::Rules;
use super::{markdown, rust};
use crate::command;

/// Find words and phrases that documentation, messages and names must not have
///
/// The file xtask/words.txt lists them with replacements. Checks documentation, comments, string
/// literals, names of tests and identifiers of Rust sources, and Markdown files. Also finds
/// questions in documentation and in messages, and names of tests that are too long. For each
/// violation, prints its file and line, the phrase and the replacement. Fails if there is one.
#[derive(Debug, Default, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask words                       the whole repository
  cargo xtask words anchovy README.md     a directory and a file"
)]
pub(crate) struct Arguments {
    /// Files or directories to check, relative to the root of the repository;
    /// without any, the whole repository
    #[arg(value_name = "PATH", verbatim_doc_comment)]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let everything = [PathBuf::new()];
    let paths = if arguments.paths.is_empty() { &everything[..] } else { &arguments.paths };
    let rules = Rules::parse(include_str!("../../words.txt")).context("xtask/words.txt")?;
    let mut files = Vec::new();
    for path in paths {
        collect(&command::root().join(path), &mut files)?;
    }
    files.sort();
    files.dedup();

    let mut rows = Vec::new();
    for file in &files {
        let name = file.strip_prefix(command::root()).unwrap_or(file).display().to_string();
        let findings = check_file(file, &rules).with_context(|| name.clone())?;
        rows.extend(findings.into_iter().map(|finding| (name.clone(), finding)));
    }
    print!("{}", table(&rows));
    if !rows.is_empty() {
        let count = files_with_findings(&rows);
        bail!("found {} violations in {count} of {} files", rows.len(), files.len());
    }
    println!("words: {} files, no violation", files.len());
    Ok(())
}

/// Returns the violations in a file, in the order of its lines.
fn check_file(path: &Path, rules: &Rules) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(path)?;
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let passages = if is_rust { rust::passages(&text)? } else { markdown::passages(&text) };
    let mut findings: Vec<_> =
        passages.iter().flat_map(|passage| check::check(passage, rules)).collect();
    findings.sort_by_key(|finding| finding.line);
    Ok(findings)
}

/// Adds the Rust and Markdown files at or below `path`. Symbolic links and directories of builds are
/// skipped.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let metadata =
        fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    if metadata.is_file() && matches!(extension, Some("rs" | "md")) {
        files.push(path.to_owned());
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            ensure!(name.to_str().is_some(), "{} is not UTF-8", entry.path().display());
            let is_skipped = name.to_string_lossy().starts_with('.') || name == "target";
            if !is_skipped {
                collect(&entry.path(), files)?;
            }
        }
    }
    Ok(())
}

/// Returns one aligned line for each violation.
fn table(rows: &[(String, Finding)]) -> String {
    let location = |(name, finding): &(String, Finding)| format!("{name}:{}", finding.line);
    let locations: Vec<_> = rows.iter().map(location).collect();
    let width = locations.iter().map(String::len).max().unwrap_or(0);
    let found_width = rows.iter().map(|(_, finding)| finding.found.len()).max().unwrap_or(0);
    locations
        .iter()
        .zip(rows)
        .map(|(location, (_, Finding { found, replacement, .. }))| {
            format!("{location:<width$}  {found:<found_width$}  => {replacement}\n")
        })
        .collect()
}

fn files_with_findings(rows: &[(String, Finding)]) -> usize {
    let mut names: Vec<_> = rows.iter().map(|(name, _)| name).collect();
    names.dedup();
    names.len()
}
