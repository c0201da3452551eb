//! A peer: a foreign program or library, its version, and what has to be installed to run it.

use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result};

use crate::command;
use crate::lock;

/// A program, or several of one maker, that scenarios run against.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) version: Version,
    /// The feature of interop-tests that its scenarios are built with, if they want one.
    pub(super) feature: Option<&'static str>,
    pub(super) needs: &'static [Need],
}

/// Where the version of a peer comes from.
pub(super) enum Version {
    /// A command prints it.
    Printed(&'static [&'static str]),
    /// It is a library that the scenarios are linked with.
    Locked(&'static str),
    /// It is such a library, on another one, of which a command prints the version.
    LockedOn(&'static str, &'static [&'static str]),
}

/// A program or a module that has to be there.
pub(super) struct Need {
    pub(super) name: &'static str,
    /// A command that succeeds where it is there.
    pub(super) probe: &'static [&'static str],
    pub(super) source: Source,
}

/// How to get it.
pub(super) enum Source {
    /// A Debian package.
    Package(&'static str),
    /// A Debian package that, installed, would take over a service of the machine: its files are
    /// unpacked where only we find them, and the libraries that it needs are installed.
    Unpacked { package: &'static str, libraries: &'static [&'static str] },
    /// A program on crates.io, of exactly this version.
    Crate { name: &'static str, version: &'static str },
}

impl Peer {
    /// Returns its version, in numbers.
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
    version_in(&printed).with_context(|| format!("`{}` tells no version: {printed}", words[0]))
}

/// Returns what a command prints that is found on this `PATH`.
fn output(words: &[&str], path: &OsStr) -> Result<String> {
    // `env` looks for the program on the `PATH` that it is given; `Command` uses that of this process.
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
