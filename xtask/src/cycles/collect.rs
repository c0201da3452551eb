//! Reads one file: the names that it defines and imports, the modules that it declares, and the paths
//! that its code names.

use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, Block, Expr, ExprCall, Field, FieldValue, File, ForeignItem, ImplItem, Item,
    ItemMacro, ItemMod, ItemUse, Macro, PatIdent, Path, Stmt, TraitItem, Variant, Visibility,
};

use super::attributes;
use super::imports::{Import, flatten};
use super::reference::{Kind, Reference, is_capitalized, name};
use super::tokens;
use super::tree::{ModuleId, ROOT, ScopeId, Tree};

/// A module that a file declares, and that is in a file of its own.
pub(super) struct Declaration {
    /// Scope that declares it.
    pub(super) scope: ScopeId,
    pub(super) name: String,
    /// Inline modules of the declaring file around the declaration, from the outside in.
    pub(super) inline: Vec<String>,
    /// Value of its `#[path]`.
    pub(super) path: Option<String>,
    pub(super) macro_use: bool,
}

/// Adds to `tree` what is in this file, and returns the modules that it declares.
pub(super) fn collect(
    file: &File,
    tree: &mut Tree,
    module: ModuleId,
    scope: ScopeId,
) -> Vec<Declaration> {
    let (inline, declarations) = (Vec::new(), Vec::new());
    let mut collector = Collector { tree, module, scope, inline, blocks: 0, declarations };
    if !attributes::are_test_only(&file.attrs) {
        collector.visit_file(file);
    }
    collector.declarations
}

struct Collector<'a> {
    tree: &'a mut Tree,
    module: ModuleId,
    /// Scope of the code that is visited.
    scope: ScopeId,
    inline: Vec<String>,
    /// Number of blocks around it within this scope. Items in a block are visible in the block only.
    blocks: usize,
    declarations: Vec<Declaration>,
}

impl Collector<'_> {
    fn add_reference(&mut self, reference: Reference) {
        self.tree.scopes[self.scope].references.push(reference);
    }

    fn add_path(&mut self, path: &Path, kind: Kind) {
        // `::name` is another crate, or what follows `<Type>`.
        if let (None, Some(last)) = (&path.leading_colon, path.segments.last()) {
            let segments = path.segments.iter().map(|segment| name(&segment.ident)).collect();
            self.add_reference(Reference::new(segments, kind, last.ident.span()));
        }
    }

    fn add_item(&mut self, name: String) {
        self.tree.add_item(self.scope, name, self.module);
    }

    fn add_references(&mut self, tokens: proc_macro2::TokenStream) {
        self.tree.scopes[self.scope].references.extend(tokens::references(tokens));
    }

    /// Adds the names that an item of a module defines.
    fn define(&mut self, item: &Item) {
        let ident = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(ItemMacro { ident: None, mac, .. }) => {
                for name in tokens::defined_names(mac.tokens.clone()) {
                    self.add_item(name);
                }
                return;
            }
            _ => return,
        };
        self.add_item(name(ident));
    }

    fn import(&mut self, import: Import, is_reexport: bool) {
        let Import { segments, binding, is_glob, span } = import;
        let scope = &mut self.tree.scopes[self.scope];
        if is_glob {
            scope.globs.push(segments.clone());
        } else if let Some(binding) = binding {
            scope.imports.entry(binding).or_default().push(segments.clone());
        }
        let kind = match (is_reexport, is_glob) {
            (false, false) => Kind::Import,
            (false, true) => Kind::GlobImport,
            (true, false) => Kind::Reexport,
            (true, true) => Kind::GlobReexport,
        };
        self.add_reference(Reference::new(segments, kind, span));
    }

    fn inline_module(&mut self, module: &ItemMod) {
        let name = name(&module.ident);
        let macro_use = attributes::have(&module.attrs, "macro_use");
        let inner = self.tree.add_scope(&name, Some(self.scope), self.module, macro_use);
        let (scope, blocks) = (self.scope, self.blocks);
        (self.scope, self.blocks) = (inner, 0);
        self.inline.push(name);
        visit::visit_item_mod(self, module);
        self.inline.pop();
        (self.scope, self.blocks) = (scope, blocks);
    }
}

/// Visits the node unless it is compiled for tests only.
macro_rules! skip_tests {
    ($($method:ident($node:ident: $type:ty) { $attributes:expr })*) => {
        $(fn $method(&mut self, $node: &'ast $type) {
            let attributes: &[Attribute] = $attributes;
            if !attributes::are_test_only(attributes) {
                visit::$method(self, $node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Collector<'_> {
    skip_tests! {
        visit_impl_item(item: ImplItem) { attributes::of_impl_item(item) }
        visit_trait_item(item: TraitItem) { attributes::of_trait_item(item) }
        visit_field(field: Field) { &field.attrs }
        visit_variant(variant: Variant) { &variant.attrs }
        visit_arm(arm: Arm) { &arm.attrs }
        visit_field_value(value: FieldValue) { &value.attrs }
        visit_stmt(statement: Stmt) { attributes::of_statement(statement) }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if attributes::are_test_only(attributes::of_item(item)) {
            return;
        }
        if self.blocks == 0 {
            self.define(item);
        }
        if let Item::Verbatim(tokens) = item {
            self.add_references(tokens.clone());
        }
        visit::visit_item(self, item);
    }

    fn visit_foreign_item(&mut self, item: &'ast ForeignItem) {
        if attributes::are_test_only(attributes::of_foreign_item(item)) {
            return;
        }
        match item {
            ForeignItem::Fn(function) => self.add_item(name(&function.sig.ident)),
            ForeignItem::Static(variable) => self.add_item(name(&variable.ident)),
            ForeignItem::Type(opaque) => self.add_item(name(&opaque.ident)),
            _ => {}
        }
        visit::visit_foreign_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_some() {
            self.inline_module(module);
        } else {
            self.declarations.push(Declaration {
                scope: self.scope,
                name: name(&module.ident),
                inline: self.inline.clone(),
                path: attributes::path_of_file(&module.attrs),
                macro_use: attributes::have(&module.attrs, "macro_use"),
            });
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `use ::name` names another crate.
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            for import in flatten(&item.tree, &[]) {
                self.import(import, is_reexport);
            }
        }
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if let (None, Ok(file)) = (&item.ident, syn::parse2::<File>(item.mac.tokens.clone())) {
            // A macro around items, as those that add a `cfg` to each, may declare modules too.
            self.add_path(&item.mac.path, Kind::Macro);
            file.items.iter().for_each(|item| self.visit_item(item));
            return;
        }
        if let Some(ident) = &item.ident {
            self.tree.scopes[self.scope].macros.insert(name(ident));
            self.add_item(name(ident));
            if attributes::have(&item.attrs, "macro_export") {
                self.tree.add_item(ROOT, name(ident), self.module);
            }
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_path(&call.path, Kind::Macro);
        self.add_references(call.tokens.clone());
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if let Expr::Verbatim(tokens) = expression {
            self.add_references(tokens.clone());
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        // A single name that is called is a function, or a variable, which resolves to nothing.
        match &*call.func {
            Expr::Path(function) if function.path.segments.len() == 1 => {
                self.add_path(&function.path, Kind::Code);
            }
            _ => {}
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let mut segments = path.segments.iter();
        let first = segments.next().is_some_and(|first| is_capitalized(&name(&first.ident)));
        // A single name in lower case may be a variable.
        if first || segments.next().is_some() {
            self.add_path(path, Kind::Code);
        }
        visit::visit_path(self, path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        if is_capitalized(&name(&pattern.ident)) {
            let segments = vec![name(&pattern.ident)];
            self.add_reference(Reference::new(segments, Kind::Code, pattern.ident.span()));
        }
        visit::visit_pat_ident(self, pattern);
    }

    // Attributes and `pub(in path)` are no edges.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
