//! Follows names to the modules that define them, as rustc does for paths of the 2018 edition and
//! later. Visibility is ignored: in a crate that compiles, every name that is used is visible.

use std::collections::BTreeSet;

use super::reference::{Kind, Reference};
use super::tree::{ModuleId, ROOT, ScopeId, Tree};

/// Returns the modules that define what this reference in this scope names. It is empty for names of
/// other crates, variables and generic parameters; it has several modules if `cfg` chooses one, or if
/// a type, a value and a macro share the name.
pub(super) fn definers(tree: &Tree, scope: ScopeId, reference: &Reference) -> BTreeSet<ModuleId> {
    let found = Resolver { tree, visited: BTreeSet::new() }.path(scope, &reference.segments);
    if reference.kind == Kind::Macro && found.is_empty() && reference.segments.len() == 1 {
        return textual_macros(tree, scope, &reference.segments[0]);
    }
    if matches!(reference.kind, Kind::GlobImport | Kind::GlobReexport) && !found.scopes.is_empty() {
        let defines = |scope: &ScopeId| !tree.scopes[*scope].items.is_empty();
        return found.scopes.into_iter().filter(defines).map(|s| tree.scopes[s].module).collect();
    }
    if found.definers.is_empty() {
        return found.scopes.into_iter().map(|scope| tree.scopes[scope].module).collect();
    }
    found.definers
}

/// Returns the modules of the macros that are visible by textual scope: those of enclosing modules, and
/// those of modules with `#[macro_use]`.
fn textual_macros(tree: &Tree, scope: ScopeId, name: &str) -> BTreeSet<ModuleId> {
    let parent = |scope: &ScopeId| tree.scopes[*scope].parent;
    let enclosing = |scope| std::iter::successors(Some(scope), parent);
    for around in enclosing(scope) {
        let is_visible = |of: &ScopeId| {
            // A macro is visible outside a module only if that module has `#[macro_use]`.
            let mut left = enclosing(*of).take_while(|scope| *scope != around);
            enclosing(*of).any(|scope| scope == around) && left.all(|s| tree.scopes[s].macro_use)
        };
        let defining = (0..tree.scopes.len()).filter(|of| tree.scopes[*of].macros.contains(name));
        let found: BTreeSet<_> =
            defining.filter(is_visible).map(|of| tree.scopes[of].module).collect();
        if !found.is_empty() {
            return found;
        }
    }
    BTreeSet::new()
}

/// The meanings of a name.
#[derive(Default)]
struct Found {
    /// Modules with this name.
    scopes: BTreeSet<ScopeId>,
    /// The modules that define an item with this name.
    definers: BTreeSet<ModuleId>,
    /// Whether the name is imported from another crate.
    is_external: bool,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.definers.is_empty() && !self.is_external
    }

    fn extend(&mut self, other: Found) {
        self.scopes.extend(other.scopes);
        self.definers.extend(other.definers);
        self.is_external |= other.is_external;
    }
}

struct Resolver<'a> {
    tree: &'a Tree,
    /// Names whose imports are being followed: `use name::name` leads back to itself.
    visited: BTreeSet<(ScopeId, String)>,
}

impl Resolver<'_> {
    fn path(&mut self, scope: ScopeId, segments: &[String]) -> Found {
        let mut scopes = BTreeSet::from([scope]);
        // True once the path is known to be one of this crate.
        let mut is_local = false;
        for (index, name) in segments.iter().enumerate() {
            match name.as_str() {
                "crate" => scopes = BTreeSet::from([ROOT]),
                "self" => {}
                "super" => {
                    let parents = scopes.iter().filter_map(|scope| self.tree.scopes[*scope].parent);
                    scopes = parents.collect();
                }
                name => {
                    let mut found = Found::default();
                    for scope in &scopes {
                        found.extend(self.name(*scope, name));
                    }
                    let is_last = index + 1 == segments.len();
                    if found.is_empty() && is_local {
                        // A macro in this module expands to its definition.
                        return Found { scopes, ..Found::default() };
                    }
                    // After an item come its variants, methods and constants.
                    if is_last || found.scopes.is_empty() {
                        return found;
                    }
                    scopes = found.scopes;
                }
            }
            is_local = true;
        }
        Found { scopes, ..Found::default() }
    }

    /// Looks a name up in one scope.
    fn name(&mut self, scope: ScopeId, name: &str) -> Found {
        let tree = self.tree;
        let names = &tree.scopes[scope];
        let mut found = Found::default();
        found.scopes.extend(names.children.get(name).into_iter().flatten());
        found.definers.extend(names.items.get(name).into_iter().flatten());

        let key = (scope, name.to_owned());
        if !self.visited.insert(key.clone()) {
            return found;
        }
        for path in names.imports.get(name).into_iter().flatten() {
            let imported = self.path(scope, path);
            found.is_external |= imported.is_empty();
            found.extend(imported);
        }
        // An item or a named import shadows a glob import.
        if found.is_empty() {
            for path in &names.globs {
                for target in self.path(scope, path).scopes {
                    found.extend(self.name(target, name));
                }
            }
        }
        self.visited.remove(&key);
        found
    }
}
