//! The file of words and phrases.

use anyhow::{Context, Result, bail};

/// A phrase and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// In lower case, with single blanks.
    pub(super) phrase: String,
    pub(super) replacement: String,
}

/// An identifier and what to use instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdentifierRule {
    pub(super) pattern: Pattern,
    pub(super) replacement: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// The whole identifier.
    Name(String),
    /// A word of it, in lower case.
    Word(String),
    /// The name in the definition of a function.
    Function(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) phrases: Vec<Phrase>,
    /// Phrases that may contain one of the above.
    pub(super) allowed: Vec<String>,
    pub(super) identifiers: Vec<IdentifierRule>,
}

#[derive(Debug, Clone, Copy)]
enum Section {
    Phrases,
    Allowed,
    Identifiers,
}

impl Rules {
    /// Parses a file of words and phrases.
    pub(super) fn parse(text: &str) -> Result<Rules> {
        let mut rules = Rules::default();
        let mut section = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line {
                "[phrases]" => section = Some(Section::Phrases),
                "[allowed]" => section = Some(Section::Allowed),
                "[identifiers]" => section = Some(Section::Identifiers),
                _ => rules.add(section, line).with_context(|| format!("line {}", index + 1))?,
            }
        }
        Ok(rules)
    }

    fn add(&mut self, section: Option<Section>, line: &str) -> Result<()> {
        match section {
            None => bail!("`{line}` is before the first section"),
            Some(Section::Allowed) => self.allowed.push(line.to_lowercase()),
            Some(Section::Phrases) => {
                let (phrases, replacement) = pair(line)?;
                self.phrases.extend(phrases.split(',').map(|phrase| Phrase {
                    phrase: phrase.trim().to_lowercase(),
                    replacement: replacement.to_owned(),
                }));
            }
            Some(Section::Identifiers) => {
                let (pattern, replacement) = pair(line)?;
                let pattern = if let Some(word) = pattern.strip_prefix("word: ") {
                    Pattern::Word(word.to_owned())
                } else if let Some(name) = pattern.strip_prefix("fn ") {
                    Pattern::Function(name.to_owned())
                } else {
                    Pattern::Name(pattern.to_owned())
                };
                let replacement = replacement.to_owned();
                self.identifiers.push(IdentifierRule { pattern, replacement });
            }
        }
        Ok(())
    }
}

/// Splits a line at `=>`.
fn pair(line: &str) -> Result<(&str, &str)> {
    let (left, right) =
        line.split_once("=>").with_context(|| format!("`{line}` has no replacement after `=>`"))?;
    let (left, right) = (left.trim(), right.trim());
    if left.is_empty() || right.is_empty() {
        bail!("`{line}` has an empty side");
    }
    Ok((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_its_own_rules() {
        let text = "# comment\n[phrases]\nFoo, foo bar => baz\n[allowed]\nno foo\n\
                    [identifiers]\nQux => Quux\nword: qux => quux\nfn qux => quux\n";
        let rules = Rules::parse(text).unwrap();
        let phrases: Vec<_> = rules.phrases.iter().map(|rule| rule.phrase.as_str()).collect();
        assert_eq!(phrases, ["foo", "foo bar"]);
        assert_eq!(rules.phrases[1].replacement, "baz");
        assert_eq!(rules.allowed, ["no foo"]);
        let patterns: Vec<_> = rules.identifiers.into_iter().map(|rule| rule.pattern).collect();
        let name = || "qux".to_owned();
        let expected =
            [Pattern::Name("Qux".to_owned()), Pattern::Word(name()), Pattern::Function(name())];
        assert_eq!(patterns, expected);
    }

    #[test]
    fn a_line_without_a_replacement_or_a_section_is_an_error_with_its_number() {
        for (text, expected) in [
            ("[phrases]\nfoo\n", "line 2: `foo` has no replacement after `=>`"),
            ("[identifiers]\n\nfoo =>\n", "line 3: `foo =>` has an empty side"),
            ("foo => bar\n", "line 1: `foo => bar` is before the first section"),
        ] {
            assert_eq!(format!("{:#}", Rules::parse(text).unwrap_err()), expected);
        }
    }
}
