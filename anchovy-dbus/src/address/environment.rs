//! The environment variables of this process.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use rustix::process::{getegid, geteuid, getgid, getuid};

/// A function that returns the value of a variable. Tests replace it, because they must not change the
/// environment of their process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Returns the value of a variable, if it is not empty.
pub(super) fn set(variable: &str, environment: Environment<'_>) -> Option<OsString> {
    environment(variable).filter(|value| !value.is_empty())
}

/// Returns the directory of `XDG_RUNTIME_DIR`. The XDG Base Directory Specification requires that
/// relative paths are ignored.
pub(super) fn runtime_directory(environment: Environment<'_>) -> Option<PathBuf> {
    set("XDG_RUNTIME_DIR", environment).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns a variable of this process. In a set-user-ID or set-group-ID process, returns `None`.
pub(super) fn process_environment(variable: &str) -> Option<OsString> {
    let trusted = getuid() == geteuid() && getgid() == getegid();
    if trusted { env::var_os(variable) } else { None }
}
