//! The commands of `cargo xtask` in the workflow files, which a test checks against the command line.

use std::fs;
use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use crate::command;

/// Returns each command of `cargo xtask` in a workflow, with the path of its file.
pub(crate) fn commands() -> Vec<(String, String)> {
    let files = yaml_files(&command::root().join(".github/workflows"));
    files.iter().flat_map(|(path, text)| in_file(path, text)).collect()
}

/// Returns the path and the text of each YAML file in a directory.
fn yaml_files(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths
        .map(|path| (path.display().to_string(), fs::read_to_string(path).expect("a file")))
        .collect()
}

fn in_file(path: &str, text: &str) -> Vec<(String, String)> {
    let documents = YamlLoader::load_from_str(text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let jobs = documents[0]["jobs"].as_hash().unwrap_or_else(|| panic!("{path} has no jobs"));
    let steps = jobs.values().flat_map(|job| job["steps"].as_vec().into_iter().flatten());
    let lines = steps.filter_map(|step| step["run"].as_str()).flat_map(str::lines);
    let commands = lines.filter(|line| line.starts_with("cargo xtask "));
    commands.map(|command| (path.to_owned(), command.to_owned())).collect()
}

#[test]
fn commands_are_those_of_all_steps() {
    let text = "jobs:\n  a:\n    steps:\n      - uses: b\n      - run: cargo xtask ci\n  \
        c:\n    steps:\n      - run: |\n          cargo test\n          cargo xtask words\n";
    let found: Vec<_> = in_file("f", text).into_iter().map(|(_, command)| command).collect();
    assert_eq!(found, ["cargo xtask ci", "cargo xtask words"]);
}

#[test]
fn the_issue_templates_are_yaml() {
    let files = yaml_files(&command::root().join(".github/ISSUE_TEMPLATE"));
    assert!(files.len() > 2);
    for (path, text) in files {
        let documents = YamlLoader::load_from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(matches!(documents[0], Yaml::Hash(_)), "{path}");
    }
}
