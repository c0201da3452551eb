//! The directory that the scenarios write to, and the `PATH` on which they find programs.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::command;

/// Paths that all scenarios share.
pub(super) struct Paths {
    /// Directory of everything that is built, unpacked or logged: `target/interop`.
    pub(super) output: PathBuf,
    /// `PATH`, with the programs that were built or unpacked there before all others.
    pub(super) search: OsString,
}

impl Paths {
    pub(super) fn new() -> Result<Paths> {
        let output = command::target_directory()?.join("interop");
        let own = ["bin", "unpacked/usr/bin", "unpacked/usr/sbin"].map(|name| output.join(name));
        let path = env::var_os("PATH").unwrap_or_default();
        let search = env::join_paths(own.into_iter().chain(env::split_paths(&path)))?;
        Ok(Paths { output, search })
    }
}
