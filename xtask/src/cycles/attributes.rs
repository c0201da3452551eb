//! Attributes that decide what belongs to the crate: `cfg`, `test`, `path`, `macro_use`.

use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, ExprLit, ForeignItem, ImplItem, Item, Lit, Meta, Stmt, Token, TraitItem,
};

/// Returns true if what has these attributes is compiled for tests only.
pub(super) fn are_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last();
        let is_test = last.is_some_and(|segment| segment.ident == "test");
        let is_cfg = attribute.path().is_ident("cfg");
        is_test || (is_cfg && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta)))
    })
}

/// Returns true if this condition of a `cfg` can hold in tests only.
fn needs_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else {
        return condition.path().is_ident("test");
    };
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return false;
    };
    if list.path.is_ident("all") {
        parts.iter().any(needs_test)
    } else if list.path.is_ident("any") {
        !parts.is_empty() && parts.iter().all(needs_test)
    } else {
        false
    }
}

/// Returns true if there is an attribute of this name.
pub(super) fn have(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

/// Returns the text of `#[path = "text"]`.
pub(super) fn path_of_file(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// The attributes of a node that is one of these variants, each of which has a field `attrs`.
macro_rules! attributes {
    ($node:expr, $kind:ident: $($variant:ident)*) => {
        match $node {
            $($kind::$variant(node) => &node.attrs,)*
            _ => &[],
        }
    };
}

pub(super) fn of_item(item: &Item) -> &[Attribute] {
    attributes!(item, Item: Const Enum ExternCrate Fn ForeignMod Impl Macro Mod Static Struct Trait
        TraitAlias Type Union Use)
}

pub(super) fn of_impl_item(item: &ImplItem) -> &[Attribute] {
    attributes!(item, ImplItem: Const Fn Type Macro)
}

pub(super) fn of_trait_item(item: &TraitItem) -> &[Attribute] {
    attributes!(item, TraitItem: Const Fn Type Macro)
}

pub(super) fn of_foreign_item(item: &ForeignItem) -> &[Attribute] {
    attributes!(item, ForeignItem: Fn Static Type Macro)
}

/// Returns the attributes of a statement; an item has its own.
pub(super) fn of_statement(statement: &Stmt) -> &[Attribute] {
    match statement {
        Stmt::Local(local) => &local.attrs,
        Stmt::Macro(call) => &call.attrs,
        Stmt::Expr(expression, _) => of_expression(expression),
        Stmt::Item(_) => &[],
    }
}

fn of_expression(expression: &Expr) -> &[Attribute] {
    attributes!(expression, Expr: Assign Async Await Binary Block Break Call Closure Const Continue
        Field ForLoop If Index Let Lit Loop Macro Match MethodCall Paren Path Reference Return Struct
        Try Tuple Unary Unsafe While)
}
