//! Code that is compiled for tests only does not count.

use super::edges_of;

const LIB: &str = "mod one; mod two;";
const ONE: &str = "use crate::two::Two; pub struct One(Two);";

#[test]
fn imports_of_tests_are_no_edges() {
    for two in [
        "#[cfg(test)] mod tests { use crate::one::One; }",
        "#[cfg(all(test, unix))] mod tests { use crate::one::One; }",
        "#[cfg(any(all(test, unix), test))] mod tests { use crate::one::One; }",
        "#[cfg(test)] use crate::one::One;",
        "#[test] fn works() { crate::one::One; }",
        "#[tokio::test] async fn works() { crate::one::One; }",
        "#[cfg(test)] fn make() -> crate::one::One { One }",
        "#[cfg(test)] impl crate::one::One {}",
        "impl Two { #[cfg(test)] fn make() -> crate::one::One { One } }",
        "trait Make { #[cfg(test)] fn make() -> crate::one::One { One } }",
        "unsafe extern \"C\" { #[cfg(test)] fn make() -> crate::one::One; }",
        "struct Three { #[cfg(test)] one: crate::one::One }",
        "enum Three { #[cfg(test)] One(crate::one::One) }",
        "fn make() { #[cfg(test)] let one = crate::one::One; }",
        "fn make() { #[cfg(test)] crate::one::One::new(); }",
        "fn make() { #[cfg(test)] { crate::one::One::new(); } }",
        "fn make() { #[cfg(test)] println!(\"{}\", crate::one::One); }",
        "fn make() { match 1 { #[cfg(test)] crate::one::LIMIT => {} _ => {} } }",
        "fn make() { Three { #[cfg(test)] one: crate::one::One }; }",
        "#[cfg(test)] macro_rules! make { () => { crate::one::One }; }",
    ] {
        let two = format!("pub struct Two; {two}");
        let files = [("lib.rs", LIB), ("one.rs", ONE), ("two.rs", &two)];
        assert_eq!(edges_of(&files), ["one -> two"], "{two}");
    }
}

#[test]
fn imports_of_code_that_is_not_for_tests_only_are_edges() {
    for two in [
        "#[cfg(not(test))] use crate::one::One;",
        "#[cfg(any(test, unix))] use crate::one::One;",
        "#[cfg(unix)] use crate::one::One;",
        "#[cfg(feature = \"test\")] use crate::one::One;",
        "#[cfg_attr(test, derive(Debug))] struct Three(crate::one::One);",
    ] {
        let two = format!("pub struct Two; {two}");
        let files = [("lib.rs", LIB), ("one.rs", ONE), ("two.rs", &two)];
        assert_eq!(edges_of(&files), ["one -> two", "two -> one"], "{two}");
    }
}

#[test]
fn files_that_only_tests_declare_are_not_read() {
    let two = "pub struct Two; #[cfg(test)] mod tests;";
    let tests = "use super::*; use crate::one::One; mod harness;";
    let harness = "use crate::one::One;";
    let files = [
        ("lib.rs", LIB),
        ("one.rs", ONE),
        ("two.rs", two),
        ("two/tests.rs", tests),
        ("two/tests/harness.rs", harness),
    ];
    assert_eq!(edges_of(&files), ["one -> two"]);
    let inner =
        [("lib.rs", LIB), ("one.rs", ONE), ("two.rs", "#![cfg(test)] use crate::one::One;")];
    assert_eq!(edges_of(&inner), ["one -> two"]);
}

#[test]
fn documentation_attributes_and_visibilities_are_no_edges() {
    for two in [
        "/// [`One`](crate::one::One)\npub struct Three;",
        "#[doc(alias = \"crate::one::One\")] pub struct Three;",
        "#[derive(crate::one::One)] pub struct Three;",
        "#[doc = crate::one::LIMIT] pub struct Three;",
    ] {
        let two = format!("pub struct Two; {two}");
        let files = [("lib.rs", LIB), ("one.rs", ONE), ("two.rs", &two)];
        assert_eq!(edges_of(&files), ["one -> two"], "{two}");
    }
}

#[test]
fn the_path_of_a_visibility_is_no_edge() {
    let child = "pub(in crate::group) fn call() {}";
    let files = [
        ("lib.rs", "mod group;"),
        ("group/mod.rs", "mod child; fn run() { child::call() }"),
        ("group/child.rs", child),
    ];
    assert_eq!(edges_of(&files), ["group -> group::child"]);
}
