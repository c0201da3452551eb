//! The comments, string literals and identifiers of a Rust file.

use std::ops::Range;

use anyhow::{Result, anyhow};
use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use syn::LitStr;
use syn::ext::IdentExt;

use super::passage::{Kind, Passage, Prose};

/// Returns the passages of a Rust file.
pub(super) fn passages(text: &str) -> Result<Vec<Passage>> {
    let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
        anyhow!("cannot be parsed in line {}", error.span().start().line)
    })?;
    let mut found = Found { text, passages: Vec::new(), literals: Vec::new() };
    found.walk(tokens);
    let Found { mut passages, literals, .. } = found;
    passages.extend(comments(text, &literals));
    Ok(passages)
}

struct Found<'a> {
    text: &'a str,
    passages: Vec<Passage>,
    /// The ranges of literals, which may contain `//`.
    literals: Vec<Range<usize>>,
}

impl Found<'_> {
    fn walk(&mut self, tokens: TokenStream) {
        let mut is_test = false;
        let mut before = None;
        for token in tokens {
            match &token {
                TokenTree::Group(group) => {
                    is_test |= is_test_attribute(&group.stream());
                    self.walk(group.stream());
                }
                TokenTree::Literal(literal) => self.literal(literal),
                TokenTree::Ident(ident) => {
                    let is_function = before.as_ref().is_some_and(|before| before == "fn");
                    self.ident(ident, is_function, is_function && is_test);
                    is_test &= !is_function;
                    before = Some(ident.clone());
                    continue;
                }
                TokenTree::Punct(_) => {}
            }
            before = None;
        }
    }

    fn literal(&mut self, literal: &Literal) {
        let range = literal.span().byte_range();
        // A doc comment is an attribute with a literal, whose location is that of the comment.
        if self.text[range.clone()].starts_with('/') {
            return;
        }
        self.literals.push(range);
        if let Ok(text) = syn::parse2::<LitStr>(TokenTree::from(literal.clone()).into()) {
            let line = literal.span().start().line;
            self.passages.push(Passage::new(Kind::Message, line, &text.value()));
        }
    }

    fn ident(&mut self, ident: &Ident, is_function: bool, is_test: bool) {
        let (line, name) = (ident.span().start().line, ident.unraw().to_string());
        self.passages.push(match (is_test, is_function) {
            (true, _) => Passage::new(Kind::TestName, line, &name),
            (false, true) => Passage::new(Kind::Identifier, line, &format!("fn {name}")),
            (false, false) => Passage::new(Kind::Identifier, line, &name),
        });
    }
}

/// Returns true for the content of `#[test]` and `#[tokio::test(…)]`.
fn is_test_attribute(tokens: &TokenStream) -> bool {
    let mut names = tokens.clone().into_iter();
    match names.next() {
        Some(TokenTree::Ident(name)) if name == "test" => names.next().is_none(),
        Some(TokenTree::Ident(name)) if name == "tokio" => {
            matches!(names.nth(2), Some(TokenTree::Ident(name)) if name == "test")
        }
        _ => false,
    }
}

/// Returns the comments of a file, whose literals are at these places.
fn comments(text: &str, literals: &[Range<usize>]) -> Vec<Passage> {
    let mut code = text.as_bytes().to_vec();
    for literal in literals {
        for byte in &mut code[literal.clone()] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    let code = String::from_utf8_lossy(&code);

    let mut passages = Vec::new();
    let mut current: Option<(Kind, Prose)> = None;
    for (index, (line, code)) in text.lines().zip(code.lines()).enumerate() {
        let Some(start) = code.find("//") else {
            passages
                .extend(current.take().into_iter().flat_map(|(_, prose)| prose.into_passages()));
            continue;
        };
        let (kind, comment) = kind_of(&line[start..]);
        let is_trailing = !code[..start].trim().is_empty();
        if let Some((_, prose)) = current.take_if(|(before, _)| *before != kind || is_trailing) {
            passages.extend(prose.into_passages());
        }
        let (_, prose) = current.get_or_insert_with(|| (kind, Prose::new(kind)));
        prose.push(index + 1, comment);
        if is_trailing {
            passages
                .extend(current.take().into_iter().flat_map(|(_, prose)| prose.into_passages()));
        }
    }
    passages.extend(current.into_iter().flat_map(|(_, prose)| prose.into_passages()));
    passages
}

fn kind_of(comment: &str) -> (Kind, &str) {
    match comment.strip_prefix("///").or_else(|| comment.strip_prefix("//!")) {
        Some(text) => (Kind::Documentation, text),
        None => (Kind::Comment, &comment[2..]),
    }
}
