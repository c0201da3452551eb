//! The edges between modules: one names what the other defines.

use std::collections::BTreeMap;

use super::reference::Kind;
use super::resolve::definers;
use super::tree::{ModuleId, Tree};

/// A module that names something of another one.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: ModuleId,
    pub(super) to: ModuleId,
    /// Line of the path in the file of `from`.
    pub(super) line: usize,
    /// The path, as the source has it.
    pub(super) path: String,
}

/// Returns the edges of a crate, one for each pair of modules: the first in the source.
pub(super) fn edges(tree: &Tree) -> Vec<Edge> {
    let mut edges: BTreeMap<_, Edge> = BTreeMap::new();
    for (scope, names) in tree.scopes.iter().enumerate() {
        let from = names.module;
        for reference in &names.references {
            let is_reexport = matches!(reference.kind, Kind::Reexport | Kind::GlobReexport);
            if is_reexport && tree.modules[from].is_module_file {
                continue;
            }
            for to in definers(tree, scope, reference) {
                let edge = Edge { from, to, line: reference.line, path: reference.text() };
                let known = edges.get(&(from, to));
                if from != to && known.is_none_or(|known| edge.line < known.line) {
                    edges.insert((from, to), edge);
                }
            }
        }
    }
    edges.into_values().collect()
}
