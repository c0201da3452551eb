//! Cycles that are planted are found.

use super::{edges_of, has_cycle};

const LIB: &str = "mod one; mod two;";
const ONE: &str = "use crate::two::Two; pub struct One(Two);";

#[test]
fn a_cycle_by_use_fails() {
    let two = "use crate::one::One; pub struct Two(Box<One>);";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]));
}

#[test]
fn modules_that_import_in_one_direction_pass() {
    assert!(!has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", "pub struct Two;")]));
}

#[test]
fn a_cycle_by_an_inline_path_fails() {
    for two in [
        "pub struct Two; fn make() { crate::one::One::new(); }",
        "pub struct Two(Option<Box<crate::one::One>>);",
        "pub struct Two; impl From<crate::one::One> for Two {}",
        "pub struct Two; fn take(_: impl crate::one::Trait) {}",
        "pub struct Two; const LIMIT: usize = crate::one::LIMIT;",
        "pub struct Two; fn look(n: u8) { match n { crate::one::LIMIT => {} _ => {} } }",
        "pub struct Two; fn first() { fn inner() -> Vec<crate::one::One> { Vec::new() } }",
        "pub struct Two; fn cast() { <u8 as crate::one::Trait>::call(); }",
    ] {
        assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]), "{two}");
    }
}

#[test]
fn a_cycle_by_a_use_in_a_function_fails() {
    let two = "pub struct Two; fn make() { use crate::one::One; One::new(); }";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]));
}

#[test]
fn a_cycle_by_super_paths_fails() {
    let one = "use super::two::Two; pub struct One(Two);";
    let two = "pub struct Two; fn make() { super::one::One::new(); }";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", one), ("two.rs", two)]));
}

#[test]
fn a_cycle_by_a_super_path_from_an_inline_module_fails() {
    let two = "pub struct Two; mod inner { fn make() { super::super::one::One::new(); } }";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]));
}

#[test]
fn a_module_that_is_named_as_a_namespace_is_an_edge() {
    let one = "use super::two; pub fn call() { two::call() }";
    let two = "pub fn call() {}";
    let files = [("lib.rs", LIB), ("one.rs", one), ("two.rs", two)];
    assert_eq!(edges_of(&files), ["one -> two"]);
    let two = "use super::one::{self}; pub fn call() {}";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", one), ("two.rs", two)]));
}

#[test]
fn an_item_of_a_module_file_that_uses_its_child_is_a_cycle() {
    let lib = "mod group;";
    let child = "use super::Item; pub fn call(_: Item) {}";
    for group in [
        "mod child; pub struct Item; fn run() { child::call(Item) }",
        "mod child; pub struct Item; fn run() { self::child::call(Item) }",
        "mod child; use child::call; pub struct Item;",
        "mod child; pub use child::call; pub struct Item; fn run() { call(Item) }",
    ] {
        for file in ["group/mod.rs", "group.rs"] {
            let files = [("lib.rs", lib), (file, group), ("group/child.rs", child)];
            assert!(has_cycle(&files), "{group}");
        }
    }
}

#[test]
fn a_cycle_by_glob_imports_fails() {
    let one = "use crate::two::*; pub struct One(Two);";
    let two = "use crate::one::*; pub struct Two;";
    assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", one), ("two.rs", two)]));
}

#[test]
fn a_cycle_of_three_modules_fails() {
    let files = [
        ("lib.rs", "mod one; mod two; mod three;"),
        ("one.rs", "use crate::two::Two; pub struct One(Two);"),
        ("two.rs", "use crate::three::Three; pub struct Two(Three);"),
        ("three.rs", "use crate::one::One; pub struct Three(One);"),
    ];
    assert!(has_cycle(&files));
}

#[test]
fn an_item_of_the_root_that_uses_a_module_is_a_cycle() {
    let lib = "mod one; pub const TWICE: usize = 2 * one::ONCE;";
    assert!(has_cycle(&[("lib.rs", lib), ("one.rs", "pub const ONCE: usize = crate::TWICE;")]));
}
