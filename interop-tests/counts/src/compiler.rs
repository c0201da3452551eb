//! The compiler of this program.

use std::env::consts::ARCH;
use std::process::Command;

use anyhow::{Context, Result};

/// Returns the version of the compiler, and the architecture.
pub(crate) fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc")?;
    Ok(format!("{} on {ARCH}", String::from_utf8(output.stdout)?.trim()))
}
