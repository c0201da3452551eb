//! Targets other than Linux, for which the crates must compile.
//!
//! A check needs only the standard library of the target. Targets that are not installed are named at
//! the end of `cargo xtask ci`, because a check that is skipped silently looks like one that passed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command;

const TARGETS: &[&str] =
    &["x86_64-unknown-freebsd", "aarch64-apple-darwin", "aarch64-linux-android"];

/// Returns the targets that are installed, and those that are not.
pub(crate) fn installed_and_not() -> Result<(Vec<&'static str>, Vec<&'static str>)> {
    let sysroot = PathBuf::from(rustc("sysroot")?);
    Ok(TARGETS.iter().partition(|target| is_installed(&sysroot, target)))
}

fn is_installed(sysroot: &Path, target: &str) -> bool {
    sysroot.join("lib/rustlib").join(target).join("lib").is_dir()
}

/// Returns the output of `rustc --print`.
fn rustc(what: &str) -> Result<String> {
    // cargo uses the compiler in this variable, if it is set.
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let printed = command::output(command::program(rustc).args(["--print", what]))?;
    Ok(printed.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_this_machine_is_installed_and_an_unknown_one_is_not() {
        let sysroot = PathBuf::from(rustc("sysroot").unwrap());
        assert!(is_installed(&sysroot, &rustc("host-tuple").unwrap()));
        assert!(!is_installed(&sysroot, "no-such-target"));
    }

    #[test]
    fn every_target_is_either_installed_or_not() {
        let (installed, not_installed) = installed_and_not().unwrap();
        assert_eq!(installed.len() + not_installed.len(), TARGETS.len());
    }
}
