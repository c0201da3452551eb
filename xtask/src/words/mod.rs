//! Finds words without an ordinary meaning in documentation, comments, messages, names of tests and
//! identifiers.
//!
//! The words and their replacements are in `xtask/words.txt`. The check also finds questions in
//! documentation and in messages, and names of tests that are too long.
//!
//! Rust sources are parsed into tokens, so code itself is not searched for words. Text in backticks,
//! targets of links and byte strings are not checked either.

mod check;
mod markdown;
mod passage;
mod rules;
mod rust;
mod subcommand;
#[cfg(test)]
mod tests;

pub(crate) use subcommand::{Arguments, run};
