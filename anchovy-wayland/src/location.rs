//! From the name of a display to the path of its socket.
//!
//! A display is told by variables of the environment, and what they say has to become an address of
//! the kernel, which is short. Clients and compositors must come to the same answer, so both ask
//! here.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::location_error::LocationError;

/// The variable with the number of a connected socket that was inherited.
pub(crate) const SOCKET: &str = "WAYLAND_SOCKET";
/// The variable with the name of the display, or with the path of its socket.
pub(crate) const DISPLAY: &str = "WAYLAND_DISPLAY";
/// The variable with the directory of the sockets.
pub(crate) const RUNTIME_DIRECTORY: &str = "XDG_RUNTIME_DIR";

/// The size of `sun_path`, in bytes: 108 on Linux (unix(7)), 104 where sockets are those of BSD.
const SUN_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 108 } else { 104 };

/// The longest path of a socket: the last byte of `sun_path` is a NUL, as in libwayland.
pub(crate) const LONGEST: usize = SUN_PATH - 1;

/// Looks a variable up. A parameter, since a test must not change the environment of its process.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(crate) fn process_environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// A path, and what the kernel calls it.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Location {
    /// An absolute name is a path; any other is one in the runtime directory: this one, or else that
    /// of the environment.
    pub(crate) fn resolve(
        name: &Path,
        directory: Option<&Path>,
        environment: Environment<'_>,
    ) -> Result<Location, LocationError> {
        if name.as_os_str().is_empty() {
            return Err(LocationError::EmptyName);
        }
        if name.is_absolute() {
            return Location::at(name.to_owned());
        }
        Location::at(runtime_directory(directory, environment)?.join(name))
    }

    fn at(path: PathBuf) -> Result<Location, LocationError> {
        let length = path.as_os_str().len();
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(LocationError::NulInPath { path });
        }
        if length > LONGEST {
            return Err(LocationError::TooLong { path, length, limit: LONGEST });
        }
        match SocketAddr::from_pathname(&path) {
            Ok(address) => Ok(Location { path, address }),
            Err(error) => Err(LocationError::Unusable { path, error }),
        }
    }
}

/// The directory of the sockets: this one, or else that of the environment.
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
        Location::resolve(Path::new(name), None, &environment).map(|location| location.path)
    }

    #[test]
    fn a_name_is_looked_for_in_the_runtime_directory() {
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
    fn a_directory_that_was_given_replaces_that_of_the_environment() {
        let environment = |_: &str| Some(OsString::from("/run/environment"));
        let given = Location::resolve(Path::new("x"), Some(Path::new("/run/given")), &environment);
        assert_eq!(given.unwrap().path, Path::new("/run/given/x"));
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
    fn an_empty_name_is_no_name() {
        let error = located("", Some("/run/me")).unwrap_err();
        assert!(matches!(error, LocationError::EmptyName), "{error:?}");
        assert!(error.to_string().contains("WAYLAND_DISPLAY"), "{error}");
    }

    #[test]
    fn a_path_may_be_as_long_as_the_kernel_has_room_for_and_no_longer() {
        let directory = "/run";
        let name = "a".repeat(LONGEST - "/run/".len());
        assert_eq!(located(&name, Some(directory)).unwrap().as_os_str().len(), LONGEST);

        let absolute = format!("/{}", "a".repeat(LONGEST));
        for (name, path) in
            [(format!("{name}b"), format!("/run/{name}b")), (absolute.clone(), absolute)]
        {
            let error = located(&name, Some(directory)).unwrap_err();
            let said = error.to_string();
            for part in [path.as_str(), &(LONGEST + 1).to_string(), &LONGEST.to_string()] {
                assert!(said.contains(part), "{said}");
            }
            match error {
                LocationError::TooLong { length, limit, .. } => {
                    assert_eq!((length, limit), (LONGEST + 1, LONGEST));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn on_linux_the_limit_is_107() {
        if cfg!(target_os = "linux") {
            assert_eq!(LONGEST, 107);
        }
    }

    #[test]
    fn a_nul_is_reported() {
        let error = located("a\0b", Some("/run/me")).unwrap_err();
        assert!(matches!(error, LocationError::NulInPath { .. }), "{error:?}");
    }
}
