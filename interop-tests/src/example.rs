//! The examples of a package, built in the same way as the current test.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Builds the examples of a package, once per process.
///
/// Uses the cargo, the target directory and the profile of this test, so that existing builds are
/// reused. Call it before descriptors are counted.
///
/// # Panics
///
/// Panics if the build fails.
pub fn build_examples(package: &'static str) {
    build_examples_with(package, "");
}

/// As [`build_examples`], with these features of the package, separated by commas.
///
/// # Panics
///
/// If they do not build.
pub fn build_examples_with(package: &'static str, features: &str) {
    static BUILT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.contains(package) {
        return;
    }
    let profile = profile();
    let name = match profile.file_name().and_then(OsStr::to_str).expect("a profile") {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", package, "--examples", "--features", features]);
    cargo.args(["--profile", name, "--target-dir"]).arg(profile.parent().expect("a target"));
    assert!(cargo.status().expect("cargo starts").success(), "the examples do not build");
    built.insert(package);
}

/// Returns the path of an example's program after it was built.
pub fn example_path(name: &str) -> PathBuf {
    profile().join("examples").join(name)
}

/// Returns `target/debug` for `target/debug/deps/examples-0123456789abcdef`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("cargo puts tests three levels deep").to_owned()
}
