//! The comparison of a passage with the rules.

use super::passage::{Kind, Passage};
use super::rules::{IdentifierRule, Pattern, Rules};

/// The maximum length of the name of a test, in characters.
pub(super) const MAX_TEST_NAME: usize = 75;

/// The minimum number of words of a question in a string literal. Shorter ones are mostly data, such
/// as a query or a pattern.
const MIN_WORDS_OF_QUESTION: usize = 3;

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) line: usize,
    pub(super) found: String,
    pub(super) replacement: String,
}

/// Returns the violations in a passage.
pub(super) fn check(passage: &Passage, rules: &Rules) -> Vec<Finding> {
    let mut findings = match passage.kind {
        Kind::Identifier => return identifier(passage, rules).into_iter().collect(),
        Kind::TestName | Kind::Message => phrases(passage, &passage.text.replace('_', " "), rules),
        Kind::Documentation | Kind::Comment | Kind::Example => {
            phrases(passage, &passage.text, rules)
        }
    };
    findings.extend(match passage.kind {
        Kind::Documentation => questions(passage, 1),
        Kind::Message => questions(passage, MIN_WORDS_OF_QUESTION),
        Kind::TestName => long_name(passage).into_iter().collect(),
        _ => Vec::new(),
    });
    findings
}

/// Finds phrases in `text`, which has the offsets of the passage.
fn phrases(passage: &Passage, text: &str, rules: &Rules) -> Vec<Finding> {
    let mut text = text.to_ascii_lowercase();
    for allowed in &rules.allowed {
        text = text.replace(allowed.as_str(), &"`".repeat(allowed.len()));
    }
    let found = rules.phrases.iter().flat_map(|rule| {
        occurrences(&text, &rule.phrase).map(|offset| Finding {
            line: passage.line_of(offset),
            found: rule.phrase.clone(),
            replacement: rule.replacement.clone(),
        })
    });
    found.collect()
}

/// Returns the offsets at which `text` contains `phrase` as whole words.
fn occurrences<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(phrase).map(|(offset, _)| offset).filter(move |offset| {
        let before = text[..*offset].chars().next_back();
        let after = text[offset + phrase.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

/// Finds question marks at the end of a word, after at least `min_words` words.
fn questions(passage: &Passage, min_words: usize) -> Vec<Finding> {
    let is_question = |offset: &usize| {
        let before = &passage.text[..*offset];
        let ends_word =
            before.ends_with(|last: char| last.is_alphanumeric() || ")\"'`".contains(last));
        let after = passage.text[offset + 1..].chars().next();
        ends_word
            && after.is_none_or(char::is_whitespace)
            && before.split_whitespace().count() >= min_words
    };
    let marks = passage.text.match_indices('?').map(|(offset, _)| offset).filter(is_question);
    let finding = |offset| Finding {
        line: passage.line_of(offset),
        found: "a question".to_owned(),
        replacement: "a statement, such as \"Returns whether ...\"".to_owned(),
    };
    marks.map(finding).collect()
}

fn long_name(passage: &Passage) -> Option<Finding> {
    let length = passage.text.len();
    (length > MAX_TEST_NAME).then(|| Finding {
        line: passage.line_of(0),
        found: format!("a test name of {length} characters"),
        replacement: format!("at most {MAX_TEST_NAME}"),
    })
}

fn identifier(passage: &Passage, rules: &Rules) -> Option<Finding> {
    let name = passage.text.strip_prefix("fn ").unwrap_or(&passage.text);
    let matches = |rule: &&IdentifierRule| match &rule.pattern {
        Pattern::Name(wanted) => name == wanted,
        Pattern::Word(wanted) => words(name).any(|word| word == *wanted),
        Pattern::Function(wanted) => passage.text.strip_prefix("fn ") == Some(wanted),
    };
    let rule = rules.identifiers.iter().find(matches)?;
    Some(Finding {
        line: passage.line_of(0),
        found: passage.text.clone(),
        replacement: rule.replacement.clone(),
    })
}

/// Returns the words of an identifier in snake case or camel case, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for character in name.chars() {
        if character == '_' || (character.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character != '_', words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.into_iter().filter(|word| !word.is_empty())
}
