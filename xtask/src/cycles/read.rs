//! Reads a crate from its root file on.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::collect::{Declaration, collect};
use super::locate::{Source, locate};
use super::tree::{Module, Tree};

/// Reads the crate whose root is this file. Paths in reports are relative to `directory`.
pub(super) fn read(directory: &Path, root: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    let source = Source { path: root.to_owned(), owns_directory: true };
    read_module(&mut tree, directory, &source, None)?;
    Ok(tree)
}

fn read_module(
    tree: &mut Tree,
    directory: &Path,
    source: &Source,
    declaration: Option<&Declaration>,
) -> Result<()> {
    let path = &source.path;
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = syn::parse_file(&text).map_err(|error| {
        let line = error.span().start().line;
        anyhow::anyhow!("cannot parse {}:{line}: {error}", path.display())
    })?;

    let module = tree.modules.len();
    let parent = declaration.map(|declaration| declaration.scope);
    let own_name = declaration.map_or("crate", |declaration| &declaration.name);
    let macro_use = declaration.is_some_and(|declaration| declaration.macro_use);
    let scope = tree.add_scope(own_name, parent, module, macro_use);
    tree.modules.push(Module {
        name: tree.path(scope),
        file: path.strip_prefix(directory).unwrap_or(path).to_owned(),
        is_module_file: false,
    });

    let declarations = collect(&file, tree, module, scope);
    let is_mod_rs = path.file_name().is_some_and(|name| name == "mod.rs");
    tree.modules[module].is_module_file = parent.is_none() || is_mod_rs || !declarations.is_empty();
    for declaration in &declarations {
        let source = locate(source, declaration)?;
        read_module(tree, directory, &source, Some(declaration))?;
    }
    Ok(())
}
