//! A peer: another program or library, its version, and the packages that it needs.

use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result};

use super::user::User;
use crate::command;
use crate::lock;

/// A program or library, or several of one project, that scenarios run against.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) version: Version,
    /// The feature of interop-tests that its scenarios require, if any.
    pub(super) feature: Option<&'static str>,
    pub(super) needs: &'static [Need],
}

/// The source of a peer's version.
pub(super) enum Version {
    /// A command prints it.
    Printed(&'static [&'static str]),
    /// The lock file contains it: the peer is a crate that the scenarios use.
    Locked(&'static str),
    /// The lock file contains the version of a crate, and a command prints that of its backend.
    LockedOn(&'static str, &'static [&'static str]),
}

/// A program or a module that a peer needs.
pub(super) struct Need {
    pub(super) name: &'static str,
    /// A command that succeeds if it is installed.
    pub(super) probe: &'static [&'static str],
    pub(super) source: Source,
}

/// The way to install it.
pub(super) enum Source {
    /// A Debian package.
    Package(&'static str),
    /// A Debian package that would start or replace a service or a program of the machine if it were
    /// installed. Its files are unpacked below the target directory, and the libraries that the
    /// scenarios need are installed.
    Unpacked { package: &'static str, libraries: &'static [&'static str] },
    /// A program on crates.io, of exactly this version.
    Crate { name: &'static str, version: &'static str },
    /// A program on a crate that uses anchovy, built with the anchovy of this repository.
    User(User),
}

impl Peer {
    /// Returns the version of the peer.
    pub(super) fn version(&self, path: &OsStr) -> Result<String> {
        match self.version {
            Version::Locked(package) => lock::version_of(package),
            Version::Printed(command) => printed_version(command, path),
            Version::LockedOn(package, command) => {
                let (locked, printed) =
                    (lock::version_of(package)?, printed_version(command, path)?);
                Ok(format!("{locked} on {printed}"))
            }
        }
    }
}

impl Need {
    pub(super) fn is_present(&self, path: &OsStr) -> bool {
        output(self.probe, path).is_ok()
    }
}

/// Returns the version that a command prints.
fn printed_version(words: &[&str], path: &OsStr) -> Result<String> {
    let printed = output(words, path)?;
    version_in(&printed).with_context(|| format!("`{}` prints no version: {printed}", words[0]))
}

/// Returns the output of a command that is searched on this `PATH`.
fn output(words: &[&str], path: &OsStr) -> Result<String> {
    // `env` searches the `PATH` that is passed to it; `Command` searches that of this process.
    let mut variable = OsString::from("PATH=");
    variable.push(path);
    command::output(command::program("env").arg(variable).args(words))
}

/// Returns the numbers of the first word that begins with one: `252` of `systemd 252 (252.38-1)`.
fn version_in(printed: &str) -> Option<String> {
    let words = printed.split_whitespace().map(|word| word.trim_start_matches('('));
    let word = words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    Some(word[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_programs_print() {
        for (printed, version) in [
            ("D-Bus Message Bus Daemon 1.14.10\nCopyright 2002", "1.14.10"),
            ("dbus-broker 33", "33"),
            ("systemd 252 (252.38-1~deb12u1)\n+PAM", "252"),
            ("cc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
            ("1.14.10\n", "1.14.10"),
        ] {
            assert_eq!(version_in(printed).as_deref(), Some(version));
        }
        assert_eq!(version_in("no version"), None);
    }
}
