//! A `use` declaration is a tree; names are resolved one by one.

use proc_macro2::{Ident, Span};
use syn::UseTree;

use super::reference::name;

/// One name of a `use` declaration.
pub(super) struct Import {
    pub(super) segments: Vec<String>,
    /// Name that it has here: `None` for a glob, and for `as _`.
    pub(super) binding: Option<String>,
    pub(super) is_glob: bool,
    pub(super) span: Span,
}

/// Returns the names that a tree imports, each with its whole path.
pub(super) fn flatten(tree: &UseTree, prefix: &[String]) -> Vec<Import> {
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &[prefix, &[name(&path.ident)]].concat()),
        UseTree::Group(group) => {
            group.items.iter().flat_map(|tree| flatten(tree, prefix)).collect()
        }
        UseTree::Name(leaf) => {
            let segments = full_path(prefix, &leaf.ident);
            let binding = segments.last().cloned();
            vec![Import { segments, binding, is_glob: false, span: leaf.ident.span() }]
        }
        UseTree::Rename(leaf) => {
            let segments = full_path(prefix, &leaf.ident);
            let binding = Some(name(&leaf.rename)).filter(|name| name != "_");
            vec![Import { segments, binding, is_glob: false, span: leaf.ident.span() }]
        }
        UseTree::Glob(glob) => {
            let (segments, span) = (prefix.to_vec(), glob.star_token.span);
            vec![Import { segments, binding: None, is_glob: true, span }]
        }
    }
}

/// Returns the path that ends in this name. The `self` of `path::{self}` stands for `path`.
fn full_path(prefix: &[String], last: &Ident) -> Vec<String> {
    let last = Some(name(last)).filter(|last| last != "self" || prefix.is_empty());
    prefix.iter().cloned().chain(last).collect()
}
