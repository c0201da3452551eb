//! Paths that a module names, before they are resolved.

use proc_macro2::{Ident, Span};

/// A path that code names.
#[derive(Debug)]
pub(super) struct Reference {
    /// `crate`, `stream`, `AnchovyStream`. A `$crate` of a macro is `crate` here.
    pub(super) segments: Vec<String>,
    pub(super) kind: Kind,
    /// Line of the last segment.
    pub(super) line: usize,
}

/// The position of a path in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// In an expression, a type, a pattern or a bound.
    Code,
    /// Before the `!` of a macro call.
    Macro,
    /// In a private `use`.
    Import,
    /// In a `use` with a visibility.
    Reexport,
    /// In a private `use` that ends in `*`.
    GlobImport,
    /// In a `use` with a visibility that ends in `*`.
    GlobReexport,
}

impl Reference {
    pub(super) fn new(segments: Vec<String>, kind: Kind, span: Span) -> Reference {
        Reference { segments, kind, line: span.start().line }
    }

    /// Returns the path as the source has it, with `use` groups expanded.
    pub(super) fn text(&self) -> String {
        let path = self.segments.join("::");
        match self.kind {
            Kind::Code | Kind::Import | Kind::Reexport => path,
            Kind::Macro => format!("{path}!"),
            Kind::GlobImport | Kind::GlobReexport => format!("{path}::*"),
        }
    }
}

/// Returns the name without the `r#` of a raw identifier.
pub(super) fn name(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Returns true for names that are no local variables: those of types, traits, variants and constants.
pub(super) fn is_capitalized(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && name != "Self"
}
