//! Planted violations, with words of their own, so that the check does not find this file.

use super::check::{Finding, MAX_TEST_NAME, check};
use super::rules::Rules;
use super::{markdown, rust};

const RULES: &str = "\
[phrases]
wibble, wobbly thing => ordinary word
[allowed]
no wibble
[identifiers]
Wibble => Ordinary
word: wobble => ordinary
fn wub => ordinary
";

/// The files with violations and with ordinary text.
const PLANTED: &str = include_str!("planted.rs.txt");
const ORDINARY: &str = include_str!("ordinary.rs.txt");
const PLANTED_MARKDOWN: &str = include_str!("planted.md.txt");

fn rules() -> Rules {
    Rules::parse(RULES).unwrap()
}

fn in_rust(text: &str) -> Vec<Finding> {
    let passages = rust::passages(text).unwrap();
    passages.iter().flat_map(|passage| check(passage, &rules())).collect()
}

fn in_markdown(text: &str) -> Vec<Finding> {
    let passages = markdown::passages(text);
    passages.iter().flat_map(|passage| check(passage, &rules())).collect()
}

/// Returns the line and the phrase of each violation, in order.
fn lines(findings: &[Finding]) -> Vec<(usize, &str)> {
    let mut lines: Vec<_> =
        findings.iter().map(|finding| (finding.line, finding.found.as_str())).collect();
    lines.sort();
    lines
}

#[test]
fn every_planted_violation_of_a_rust_file_is_found_with_its_line() {
    let findings = in_rust(PLANTED);
    let expected = [
        (1, "wibble"),
        (3, "a question"),
        (4, "wobbly thing"),
        (8, "wibble"),
        (9, "wibble"),
        (10, "a question"),
        (11, "wibble"),
        (14, "Wibble"),
        (15, "fn wub"),
        (16, "wobble_count"),
        (20, "wibble"),
        (25, "wibble"),
        (30, "wibble"),
        (34, "wibble"),
    ];
    assert_eq!(lines(&findings), expected);
}

#[test]
fn ordinary_text_of_a_rust_file_passes() {
    assert_eq!(in_rust(ORDINARY), []);
}

#[test]
fn prose_and_examples_of_a_markdown_file_are_checked() {
    let findings = in_markdown(PLANTED_MARKDOWN);
    let expected = [(1, "wibble"), (3, "wobbly thing"), (5, "a question"), (10, "wibble")];
    assert_eq!(lines(&findings), expected);
}

#[test]
fn a_finding_has_the_replacement_of_its_rule() {
    let findings = in_markdown("A wibble.");
    assert_eq!(findings[0].replacement, "ordinary word");
}

#[test]
fn a_test_name_over_the_limit_is_found_and_another_function_is_not() {
    let name = "a".repeat(MAX_TEST_NAME + 1);
    let test = format!("#[test]\nfn {name}() {{}}");
    assert_eq!(lines(&in_rust(&test)), [(2, "a test name of 76 characters")]);
    assert_eq!(in_rust(&format!("fn {name}() {{}}")), []);
    assert_eq!(in_rust(&test.replace(&name, &name[1..])), []);
}

#[test]
fn a_file_that_does_not_parse_is_an_error_with_its_line() {
    let error = rust::passages("fn a() {}\n\"open").unwrap_err();
    assert_eq!(error.to_string(), "cannot be parsed in line 2");
}

#[test]
fn the_list_of_the_repository_is_valid_and_in_lower_case() {
    let rules = Rules::parse(include_str!("../../../words.txt")).unwrap();
    assert!(!rules.phrases.is_empty() && !rules.identifiers.is_empty());
    for allowed in &rules.allowed {
        let is_used = |rule: &super::rules::Phrase| allowed.contains(&rule.phrase);
        assert!(rules.phrases.iter().any(is_used), "`{allowed}` contains no phrase");
    }
}
