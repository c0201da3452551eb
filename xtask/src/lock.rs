//! The lock file of the workspace.
//!
//! It must not contain a second package named `anchovy`, which a dependency on the published crate
//! would add: `cargo test -p anchovy` would become ambiguous.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::command;

fn lock() -> Result<String> {
    fs::read_to_string(command::root().join("Cargo.lock"))
        .context("cannot read Cargo.lock of the workspace")
}

/// Returns the version of a package in the lock file.
pub(crate) fn version_of(name: &str) -> Result<String> {
    let lock = lock()?;
    version_in(name, &lock).map(str::to_owned).with_context(|| format!("Cargo.lock has no {name}"))
}

/// Finds the version of a package, which cargo writes on the line after its name.
fn version_in<'a>(name: &str, lock: &'a str) -> Option<&'a str> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{name}\""))?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// Fails unless the lock file of the workspace has exactly one package of this name.
pub(crate) fn has_one(name: &str) -> Result<()> {
    let count = packages_named(name, &lock()?);
    ensure!(count == 1, "Cargo.lock has {count} packages named {name}, there must be exactly one");
    eprintln!("Cargo.lock has one package named {name}");
    Ok(())
}

/// Counts the packages of a name. Cargo always writes one key on a line.
fn packages_named(name: &str, lock: &str) -> usize {
    let wanted = format!("name = \"{name}\"");
    let mut table = "";
    let mut count = 0;
    for line in lock.lines() {
        if line.starts_with('[') {
            table = line;
        }
        // Unused patches have names too, in other tables.
        if table == "[[package]]" && line == wanted {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{packages_named, version_in};

    const LOCK: &str = r#"
version = 4

[[package]]
name = "anchovy"
version = "0.5.0"
dependencies = [
 "tokio",
]

[[package]]
name = "anchovy"
version = "0.4.1"
source = "registry"

[[package]]
name = "anchovy-dbus"
version = "0.5.0"
dependencies = [
 "anchovy 0.5.0",
]

[[patch.unused]]
name = "tokio"
version = "1.0.0"
"#;

    #[test]
    fn every_package_of_the_name_is_counted() {
        assert_eq!(packages_named("anchovy", LOCK), 2);
    }

    #[test]
    fn the_version_of_a_package_follows_its_name() {
        assert_eq!(version_in("anchovy-dbus", LOCK), Some("0.5.0"));
        assert_eq!(version_in("dbus", LOCK), None);
    }

    #[test]
    fn a_longer_name_is_another_package() {
        assert_eq!(packages_named("anchovy-dbus", LOCK), 1);
    }

    #[test]
    fn a_dependency_or_an_unused_patch_is_no_package() {
        assert_eq!(packages_named("tokio", LOCK), 0);
    }
}
