//! The file of a module, by the rules of the Rust reference, "Module source filenames".

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::collect::Declaration;

/// A source file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// True for a crate root, a `mod.rs` and a file that `#[path]` names: the files of its child
    /// modules are beside it, and not in a directory of its name.
    pub(super) owns_directory: bool,
}

/// Returns the file of a module that `parent` declares.
pub(super) fn locate(parent: &Source, declaration: &Declaration) -> Result<Source> {
    let beside = parent.path.parent().unwrap_or(Path::new(""));
    let mut children = beside.to_owned();
    if !parent.owns_directory {
        children.push(parent.path.file_stem().unwrap_or_default());
    }
    children.extend(&declaration.inline);

    if let Some(path) = &declaration.path {
        let base = if declaration.inline.is_empty() { beside } else { &children };
        return Ok(Source { path: base.join(path), owns_directory: true });
    }
    let name = &declaration.name;
    let file = children.join(format!("{name}.rs"));
    let directory = children.join(name).join("mod.rs");
    match (file.is_file(), directory.is_file()) {
        (true, _) => Ok(Source { path: file, owns_directory: false }),
        (false, true) => Ok(Source { path: directory, owns_directory: true }),
        (false, false) => bail!(
            "{} declares the module {name}, but there is neither {} nor {}",
            parent.path.display(),
            file.display(),
            directory.display()
        ),
    }
}
