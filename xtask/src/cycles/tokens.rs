//! The arguments of a macro and the body of a `macro_rules!` are no syntax tree, only tokens, so
//! paths are found by their shape: names with `::` between them.

use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};

use super::reference::{Kind, Reference, is_capitalized, name};

/// Returns the paths in a sequence of tokens.
pub(super) fn references(tokens: TokenStream) -> Vec<Reference> {
    let mut found = Vec::new();
    walk(&tokens.into_iter().collect::<Vec<_>>(), &mut found);
    found
}

/// Returns the names after `struct`, `enum`, `fn` and the like: a macro that is given an item will most
/// often expand to it.
pub(super) fn defined_names(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: &[&str] =
        &["struct", "enum", "union", "trait", "fn", "const", "static", "type", "mod"];
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut names = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => names.extend(defined_names(group.stream())),
            TokenTree::Ident(keyword) if KEYWORDS.iter().any(|word| keyword == word) => {
                names.extend(ident(&tokens, index + 1).map(|(name, _)| name));
            }
            _ => {}
        }
    }
    names
}

fn walk(tokens: &[TokenTree], found: &mut Vec<Reference>) {
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index = match token {
            TokenTree::Group(group) => {
                if !is_attribute(tokens, index) && !is_visibility(tokens, index) {
                    walk(&group.stream().into_iter().collect::<Vec<_>>(), found);
                }
                index + 1
            }
            TokenTree::Ident(_) if begins_path(tokens, index) => path(tokens, index, &[], found),
            _ => index + 1,
        };
    }
}

/// Adds the path, or the paths of a `use` tree, that begins at `index`; returns the index after it.
fn path(
    tokens: &[TokenTree],
    mut index: usize,
    prefix: &[String],
    found: &mut Vec<Reference>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut span = Span::call_site();
    while let Some((name, its_span)) = ident(tokens, index) {
        // `{self, Name}` in a `use`.
        if name != "self" || segments.is_empty() {
            segments.push(name);
        }
        (span, index) = (its_span, index + 1);
        if !is_path_separator(tokens, index) {
            let kind = if is_macro_call(tokens, index) { Kind::Macro } else { Kind::Code };
            let counts = segments.len() > 1
                || is_capitalized(&segments[0])
                || kind == Kind::Macro
                || is_group(tokens, index, Delimiter::Parenthesis);
            if counts {
                found.push(Reference::new(segments, kind, span));
            }
            return index;
        }
        index += 2;
    }
    // The token after `::` is not a name.
    match tokens.get(index) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let group: Vec<_> = group.stream().into_iter().collect();
            let is_comma =
                |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            for part in group.split(is_comma).filter(|part| !part.is_empty()) {
                path(part, 0, &segments, found);
            }
            index + 1
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            found.push(Reference::new(segments, Kind::GlobImport, star.span()));
            index + 1
        }
        // `path::<Type>`, or `path::$name` in a macro.
        _ => {
            if !segments.is_empty() {
                found.push(Reference::new(segments, Kind::Code, span));
            }
            index
        }
    }
}

/// Returns true if the name at `index` is neither a field, a method, a lifetime, a macro variable, a
/// definition nor the rest of a path.
fn begins_path(tokens: &[TokenTree], index: usize) -> bool {
    let Some(before) = index.checked_sub(1) else { return true };
    match &tokens[before] {
        TokenTree::Ident(keyword) => keyword != "fn",
        TokenTree::Punct(punct) => match punct.as_char() {
            '.' => is_punct(tokens, before.wrapping_sub(1), '.'),
            ':' => !(before > 0 && is_path_separator(tokens, before - 1)),
            '$' => ident(tokens, index).is_some_and(|(name, _)| name == "crate"),
            '\'' => false,
            _ => true,
        },
        _ => true,
    }
}

/// Returns true for the brackets of `#[…]` and `#![…]`.
fn is_attribute(tokens: &[TokenTree], index: usize) -> bool {
    let is_inner = is_punct(tokens, index.wrapping_sub(1), '!');
    let hash = index.wrapping_sub(if is_inner { 2 } else { 1 });
    is_group(tokens, index, Delimiter::Bracket) && is_punct(tokens, hash, '#')
}

/// Returns true for the parentheses of `pub(…)`.
fn is_visibility(tokens: &[TokenTree], index: usize) -> bool {
    ident(tokens, index.wrapping_sub(1)).is_some_and(|(name, _)| name == "pub")
}

/// Returns true for the `!` of `name!(…)`, and not for that of `name != other`.
fn is_macro_call(tokens: &[TokenTree], index: usize) -> bool {
    is_punct(tokens, index, '!') && matches!(tokens.get(index + 1), Some(TokenTree::Group(_)))
}

fn is_path_separator(tokens: &[TokenTree], index: usize) -> bool {
    let first = matches!(tokens.get(index), Some(TokenTree::Punct(punct))
        if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
    first && is_punct(tokens, index + 1, ':')
}

fn is_punct(tokens: &[TokenTree], index: usize, character: char) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn is_group(tokens: &[TokenTree], index: usize, delimiter: Delimiter) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

fn ident(tokens: &[TokenTree], index: usize) -> Option<(String, Span)> {
    match tokens.get(index) {
        Some(TokenTree::Ident(ident)) => Some((name(ident), ident.span())),
        _ => None,
    }
}
