//! The modules of a crate, and the names in each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::reference::Reference;

/// Index of a [`Module`] in a [`Tree`].
pub(super) type ModuleId = usize;

/// Index of a [`Scope`] in a [`Tree`].
pub(super) type ScopeId = usize;

/// The scope of the crate root.
pub(super) const ROOT: ScopeId = 0;

/// A crate.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    pub(super) scopes: Vec<Scope>,
}

/// A source file.
#[derive(Debug)]
pub(super) struct Module {
    /// Path of the module within the crate, such as `codec::framed`; `crate` for the root.
    pub(super) name: String,
    /// Path of the file, relative to the directory of the crate.
    pub(super) file: PathBuf,
    /// True if re-exports of this file are no edges.
    pub(super) is_module_file: bool,
}

/// A module as the language sees it: a file, or an inline module of one.
#[derive(Debug)]
pub(super) struct Scope {
    /// Name in its parent; `crate` for the root.
    pub(super) name: String,
    /// The file that it is in.
    pub(super) module: ModuleId,
    pub(super) parent: Option<ScopeId>,
    /// True if its macros are visible in its parent, after it.
    pub(super) macro_use: bool,
    /// Modules that it declares. With `cfg`, several may have the same name.
    pub(super) children: BTreeMap<String, Vec<ScopeId>>,
    /// Names of its items, and the modules that define them. This is the module of the scope, but for
    /// macros that `#[macro_export]` puts into the crate root.
    pub(super) items: BTreeMap<String, BTreeSet<ModuleId>>,
    /// Macros that are defined in it, or in a function of it.
    pub(super) macros: BTreeSet<String>,
    /// Names that `use` brings in, and the paths that they stand for.
    pub(super) imports: BTreeMap<String, Vec<Vec<String>>>,
    /// Paths before the `*` of glob imports.
    pub(super) globs: Vec<Vec<String>>,
    /// Paths that its code names.
    pub(super) references: Vec<Reference>,
}

impl Tree {
    /// Adds a scope, as a child of `parent` if there is one.
    pub(super) fn add_scope(
        &mut self,
        name: &str,
        parent: Option<ScopeId>,
        module: ModuleId,
        macro_use: bool,
    ) -> ScopeId {
        let scope = self.scopes.len();
        self.scopes.push(Scope {
            name: name.to_owned(),
            module,
            parent,
            macro_use,
            children: BTreeMap::new(),
            items: BTreeMap::new(),
            macros: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            references: Vec::new(),
        });
        if let Some(parent) = parent {
            self.scopes[parent].children.entry(name.to_owned()).or_default().push(scope);
        }
        scope
    }

    /// Returns the path of a scope from the crate root, such as `codec::framed`; `crate` for the root.
    pub(super) fn path(&self, scope: ScopeId) -> String {
        let Scope { name, parent, .. } = &self.scopes[scope];
        match parent {
            None | Some(ROOT) => name.clone(),
            Some(parent) => format!("{}::{name}", self.path(*parent)),
        }
    }

    /// Adds the name of an item to a scope.
    pub(super) fn add_item(&mut self, scope: ScopeId, name: String, definer: ModuleId) {
        self.scopes[scope].items.entry(name).or_default().insert(definer);
    }
}
