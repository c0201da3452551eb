//! The environment variables of this process.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use rustix::process::{getegid, geteuid, getgid, getuid};

/// Looks a variable up. A parameter, since a test must not change the environment of its process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The value of a variable that is not empty.
pub(super) fn set(variable: &str, environment: Environment<'_>) -> Option<OsString> {
    environment(variable).filter(|value| !value.is_empty())
}

/// The directory that `XDG_RUNTIME_DIR` names; the XDG Base Directory Specification has relative
/// ones ignored.
pub(super) fn runtime_directory(environment: Environment<'_>) -> Option<PathBuf> {
    set("XDG_RUNTIME_DIR", environment).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The variables of this process, none where they are not to be trusted.
pub(super) fn process_environment(variable: &str) -> Option<OsString> {
    let trusted = getuid() == geteuid() && getgid() == getegid();
    if trusted { env::var_os(variable) } else { None }
}
