//! The path of the socket of a display.
//!
//! Clients and compositors must derive the same path from the environment, so both use these functions.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::location_error::LocationError;

/// The variable with the number of an inherited, connected socket.
pub(crate) const SOCKET: &str = "WAYLAND_SOCKET";
/// The variable with the name of the display, or with the path of its socket.
pub(crate) const DISPLAY: &str = "WAYLAND_DISPLAY";
/// The variable with the directory of the sockets.
pub(crate) const RUNTIME_DIRECTORY: &str = "XDG_RUNTIME_DIR";

/// Looks up a variable. It is a parameter, because a test must not change the environment of its process.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(crate) fn process_environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// Returns the path of the socket of a display. An absolute name is the path. Another name is relative to
/// `directory` or, if that is `None`, to the runtime directory of the environment.
pub(crate) fn socket_path(
    name: &Path,
    directory: Option<&Path>,
    environment: Environment<'_>,
) -> Result<PathBuf, LocationError> {
    if name.as_os_str().is_empty() {
        Err(LocationError::EmptyName)
    } else if name.is_absolute() {
        Ok(name.to_owned())
    } else {
        Ok(runtime_directory(directory, environment)?.join(name))
    }
}

/// Returns `directory` or, if that is `None`, the runtime directory of the environment.
pub(crate) fn runtime_directory(
    directory: Option<&Path>,
    environment: Environment<'_>,
) -> Result<PathBuf, LocationError> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => match environment(RUNTIME_DIRECTORY) {
            Some(directory) => PathBuf::from(directory),
            None => return Err(LocationError::NoRuntimeDirectory),
        },
    };
    if directory.as_os_str().is_empty() {
        Err(LocationError::EmptyRuntimeDirectory)
    } else if directory.is_relative() {
        Err(LocationError::RelativeRuntimeDirectory { directory })
    } else {
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(name: &str, directory: Option<&str>) -> Result<PathBuf, LocationError> {
        let environment = |variable: &str| {
            assert_eq!(variable, RUNTIME_DIRECTORY);
            directory.map(OsString::from)
        };
        socket_path(Path::new(name), None, &environment)
    }

    #[test]
    fn a_relative_name_is_in_the_runtime_directory() {
        assert_eq!(located("wayland-1", Some("/run/me")).unwrap(), Path::new("/run/me/wayland-1"));
        assert_eq!(located("a/b.c", Some("/run/me")).unwrap(), Path::new("/run/me/a/b.c"));
    }

    #[test]
    fn an_absolute_name_needs_no_runtime_directory() {
        for directory in [None, Some(""), Some("relative"), Some("/run/me")] {
            assert_eq!(located("/a/b", directory).unwrap(), Path::new("/a/b"));
        }
    }

    #[test]
    fn a_given_directory_replaces_that_of_the_environment() {
        let environment = |_: &str| Some(OsString::from("/run/environment"));
        let given = socket_path(Path::new("x"), Some(Path::new("/run/given")), &environment);
        assert_eq!(given.unwrap(), Path::new("/run/given/x"));
    }

    #[test]
    fn an_unset_empty_or_relative_runtime_directory_is_reported() {
        let unset = located("x", None).unwrap_err();
        assert!(matches!(unset, LocationError::NoRuntimeDirectory), "{unset:?}");
        let empty = located("x", Some("")).unwrap_err();
        assert!(matches!(empty, LocationError::EmptyRuntimeDirectory), "{empty:?}");
        let relative = located("x", Some("run/me")).unwrap_err();
        assert!(
            matches!(&relative, LocationError::RelativeRuntimeDirectory { directory }
                if directory == Path::new("run/me")),
            "{relative:?}"
        );
        assert!(relative.to_string().contains("run/me"), "{relative}");
        for error in [unset, empty, relative] {
            assert!(error.to_string().contains("XDG_RUNTIME_DIR"), "{error}");
        }
    }

    #[test]
    fn an_empty_name_is_reported() {
        let error = located("", Some("/run/me")).unwrap_err();
        assert!(matches!(error, LocationError::EmptyName), "{error:?}");
        assert!(error.to_string().contains("WAYLAND_DISPLAY"), "{error}");
    }
}
