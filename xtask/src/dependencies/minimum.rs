//! The minimum versions of direct dependencies.
//!
//! The lock file has exactly these versions, so every build and test shows that they suffice.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Checks the dependencies of the workspace against the lock file.
pub(super) fn check(manifest: &str, lock: &str) -> Result<()> {
    let declared = declared(manifest).context("Cargo.toml has no workspace.dependencies")?;
    let locked = locked(lock);
    for (name, version) in &declared {
        let found = locked.get(name).map(Vec::as_slice).unwrap_or_default();
        ensure!(
            found.contains(version),
            "Cargo.toml says {name} {version}, but the checks use {found:?}"
        );
    }
    eprintln!("Cargo.lock has the minimum versions of {} dependencies", declared.len());
    Ok(())
}

/// Returns the names and versions of the section `workspace.dependencies`.
fn declared(manifest: &str) -> Option<Vec<(&str, &str)>> {
    let (_, section) = manifest.split_once("[workspace.dependencies]\n")?;
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let pairs = lines.filter_map(|line| line.split_once(" = "));
    pairs.map(|(name, value)| Some((name, value.split('"').nth(1)?))).collect()
}

/// Returns the versions of each package, which cargo writes on the line after its name.
fn locked(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    for (line, next) in lock.lines().zip(lock.lines().skip(1)) {
        let name = line.strip_prefix("name = \"").and_then(|name| name.strip_suffix('"'));
        let version = next.strip_prefix("version = \"").and_then(|text| text.strip_suffix('"'));
        if let Some((name, version)) = name.zip(version) {
            versions.entry(name).or_default().push(version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace.dependencies]\na = \"1.2.3\"\n\
        b = { version = \"0.4.0\", path = \"b\" }\n\n[other]\nc = \"9\"\n";

    #[test]
    fn a_later_version_in_the_lock_file_is_reported() {
        let lock = "name = \"a\"\nversion = \"1.2.4\"\n\nname = \"b\"\nversion = \"0.4.0\"\n";
        let error = check(MANIFEST, lock).unwrap_err().to_string();
        assert_eq!(error, "Cargo.toml says a 1.2.3, but the checks use [\"1.2.4\"]");
        check(MANIFEST, &lock.replace("1.2.4", "1.2.3")).unwrap();
    }

    #[test]
    fn versions_are_read_from_texts_and_tables() {
        assert_eq!(declared(MANIFEST).unwrap(), [("a", "1.2.3"), ("b", "0.4.0")]);
    }
}
