//! A crate on crates.io that uses anchovy, and a program on it, built with this repository's anchovy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::paths::Paths;
use crate::command;

/// A crate that uses anchovy, and the program that scenarios run.
pub(super) struct User {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Edits of the crate for this version of anchovy.
    pub(super) edits: &'static [Edit],
    /// Name of the program.
    pub(super) program: &'static str,
    /// Source file of the program, from the root of the workspace.
    pub(super) main: &'static str,
    /// Dependencies of the program beside the crate, as lines of its manifest.
    pub(super) dependencies: &'static str,
}

/// A text of a file that is replaced wherever it occurs.
pub(super) struct Edit {
    pub(super) file: &'static str,
    pub(super) old: &'static str,
    /// The new text, in which `{root}` is the root of the workspace.
    pub(super) new: &'static str,
}

impl User {
    /// Builds the program in a package of its own below the output directory, outside of the
    /// workspace. The crate must be the released one: its source is copied from cargo's registry.
    pub(super) fn build(&self, paths: &Paths) -> Result<()> {
        let package = paths.output.join("users").join(self.name);
        let source = self.registry_source(&package.join("released"))?;
        self.copy(&source, &package.join(self.name))?;

        write(&package.join("Cargo.toml"), &self.manifest())?;
        let main = command::root().join(self.main);
        write(&package.join("src/main.rs"), &read(&main)?)?;
        // The same versions as in the workspace, as far as it has them.
        let lock = package.join("Cargo.lock");
        if !lock.exists() {
            write(&lock, &read(&command::root().join("Cargo.lock"))?)?;
        }

        let target = paths.output.join("build");
        let mut build = command::cargo("build --quiet --manifest-path");
        build.arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target);
        // Debug information is not needed, and omitting it saves time.
        build.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command::run(build.stdin(Stdio::null()))?;
        let (built, bin) = (target.join("debug").join(self.program), paths.output.join("bin"));
        fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
        fs::copy(&built, bin.join(self.program))
            .with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(())
    }

    /// Lets cargo download the crate, and returns the directory of its source.
    fn registry_source(&self, package: &Path) -> Result<PathBuf> {
        let manifest = package.join("Cargo.toml");
        let (name, version) = (self.name, self.version);
        let text = format!(
            "[package]\nname = \"released\"\nedition = \"2024\"\n\n\
             [dependencies]\n{name} = \"={version}\"\n\n[workspace]\n"
        );
        write(&manifest, &text)?;
        write(&package.join("src/lib.rs"), "")?;
        let mut metadata = command::cargo("metadata --format-version 1 --manifest-path");
        let metadata = command::output(metadata.arg(&manifest))?;
        let named = format!(r#""name":"{name}","version":"{version}""#);
        let (_, described) = metadata.split_once(&named).with_context(|| format!("no {named}"))?;
        let manifest = command::json_text(described, "manifest_path");
        let manifest = PathBuf::from(manifest.context("cargo prints no path of the crate")?);
        Ok(manifest.parent().context("a manifest is in a directory")?.to_owned())
    }

    /// Copies the manifest and the source of the crate, with the edits.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let mut files = Vec::new();
        list(from, &PathBuf::from("src"), &mut files)?;
        files.push("Cargo.toml".into());
        for file in files {
            let text = read(&from.join(&file))?;
            write(&to.join(&file), &self.edited(&file, text)?)?;
        }
        Ok(())
    }

    /// Returns the text of a file with the edits of that file. Fails if an edit changes nothing.
    fn edited(&self, file: &Path, mut text: String) -> Result<String> {
        let root = command::root().to_str().context("the path of the workspace is not text")?;
        for edit in self.edits.iter().filter(|edit| Path::new(edit.file) == file) {
            let (name, version) = (self.name, self.version);
            ensure!(
                text.contains(edit.old),
                "{} of {name} {version} does not contain {:?}; change its edits",
                edit.file,
                edit.old
            );
            text = text.replace(edit.old, &edit.new.replace("{root}", root));
        }
        Ok(text)
    }

    fn manifest(&self) -> String {
        let User { name, version, program, dependencies, .. } = self;
        format!(
            "[package]\nname = \"{program}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n\
             [dependencies]\n{name} = {{ path = \"{name}\" }}\n{dependencies}\n\n[workspace]\n"
        )
    }
}

/// Lists the files of a directory, relative to `root`.
fn list(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(directory);
    let entries = fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?;
    for entry in entries {
        let entry = entry?;
        let file = directory.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => list(root, &file, files)?,
            false => files.push(file),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file, unless it has this content already: cargo builds again what was written.
fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let directory = path.parent().context("a file is in a directory")?;
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: User = User {
        name: "user",
        version: "1.2.3",
        edits: &[Edit { file: "src/a.rs", old: "OLD", new: "NEW of {root}" }],
        program: "program",
        main: "main.rs",
        dependencies: "anyhow = \"1\"",
    };

    #[test]
    fn edits_apply_to_every_occurrence_in_their_file() {
        let edited = |file: &str| USER.edited(Path::new(file), "OLD, OLD".into()).unwrap();
        let new = format!("NEW of {}", command::root().display());
        assert_eq!(edited("src/a.rs"), format!("{new}, {new}"));
        assert_eq!(edited("src/b.rs"), "OLD, OLD");
    }

    #[test]
    fn an_edit_that_changes_nothing_is_an_error() {
        let error = USER.edited(Path::new("src/a.rs"), "other".into()).unwrap_err();
        let text = r#"src/a.rs of user 1.2.3 does not contain "OLD"; change its edits"#;
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn the_program_is_a_package_outside_of_the_workspace() {
        let manifest = USER.manifest();
        assert!(manifest.contains("name = \"program\"\nversion = \"1.2.3\"\n"), "{manifest}");
        assert!(manifest.contains("user = { path = \"user\" }\nanyhow = \"1\"\n"), "{manifest}");
        assert!(manifest.ends_with("\n[workspace]\n"), "{manifest}");
    }
}
