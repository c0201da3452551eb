//! Replays the corpora with a stable compiler. The files whose inputs are findings are named.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anchovy_fuzz::TARGETS;

/// Most files and bytes of the corpus of a target.
const MOST_FILES: usize = 1000;
const MOST_BYTES: usize = 256 << 10;

/// Runs a target on the files of its corpus. Returns the number of files and of bytes, and adds the
/// findings.
fn replay(name: &str, target: fn(&[u8]), findings: &mut Vec<PathBuf>) -> (usize, usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(&directory).expect("the corpus") {
        let path = entry.expect("a file").path();
        let data = fs::read(&path).expect("a readable file");
        files += 1;
        bytes += data.len();
        if catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
            findings.push(path);
        }
    }
    (files, bytes)
}

#[test]
fn the_inputs_of_all_corpora_are_no_findings() {
    let mut findings = Vec::new();
    for (name, target) in TARGETS {
        let (files, bytes) = replay(name, target, &mut findings);
        assert!(files > 0, "the corpus of {name} is empty");
        assert!(files <= MOST_FILES && bytes <= MOST_BYTES, "{name}: {files} files, {bytes} bytes");
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn each_target_has_a_runner_and_a_corpus() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |directory: &str| {
        let entries = fs::read_dir(package.join(directory)).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets = TARGETS.map(|(name, _)| name.to_owned());
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}
