//! Macros are tokens, in which paths count too.

use super::{edges_of, has_cycle};

const LIB: &str = "mod one; mod two;";
const ONE: &str = "use crate::two::Two; pub struct One(Two);";

#[test]
fn a_cycle_by_a_path_in_the_arguments_of_a_macro_fails() {
    for two in [
        "pub struct Two; fn show() { println!(\"{}\", crate::one::One::LIMIT); }",
        "pub struct Two; fn show() { println!(\"{}\", super::one::LIMIT); }",
        "pub struct Two; fn show() { vec![vec![&crate::one::One]]; }",
        "pub struct Two; fn show() { println!(\"{:?}\", 0..crate::one::LIMIT); }",
        "pub struct Two; fn show() -> bool { matches!(1, crate::one::LIMIT | 2) }",
        "pub struct Two; thread_local! { static ONE: crate::one::One = None; }",
        "pub struct Two; type Other = other!(Vec<crate::one::One>);",
        "pub struct Two; fn show() { outer! { use crate::one::{LIMIT, One as Other}; } }",
        "pub struct Two; fn show() { outer! { use crate::one::*; } }",
    ] {
        assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]), "{two}");
    }
}

#[test]
fn a_cycle_by_a_path_in_the_body_of_a_macro_fails() {
    for two in [
        "pub struct Two; macro_rules! make { ($name:ident) => { crate::one::One::$name() }; }",
        "pub struct Two; macro_rules! make { ($name:ident) => { crate::one::$name() }; }",
        "pub struct Two; macro_rules! make { () => { $crate::one::One }; }",
        "pub struct Two; macro_rules! make { () => { super::one::One }; }",
        "pub struct Two; fn run() { macro_rules! make { () => { crate::one::One }; } }",
        "pub struct Two; macro_rules! make { ($($x:expr),*) => { $( crate::one::call($x); )* }; }",
    ] {
        assert!(has_cycle(&[("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)]), "{two}");
    }
}

#[test]
fn items_in_a_macro_count_like_items_outside_of_one() {
    let lib = "mod one; cfg_unix! { mod two; pub use two::Two; } mod three;";
    let two = "pub struct Two; cfg_unix! { use crate::one::Other; #[cfg(test)] use crate::three; }";
    let one = "use crate::Two; cfg_unix! { pub struct Other; }";
    let files = [("lib.rs", lib), ("one.rs", one), ("two.rs", two), ("three.rs", "")];
    assert_eq!(edges_of(&files), ["one -> two", "two -> one"]);
}

#[test]
fn names_that_only_look_like_paths_are_no_edges() {
    for two in [
        "pub struct Two; fn show() { println!(\"crate::one::One\"); }",
        "pub struct Two; fn show(two: u8) { println!(\"{}\", two.one::<u8>()); }",
        "pub struct Two; macro_rules! make { ($crate_name:ident) => { $crate_name::one::One }; }",
        "pub struct Two; outer! { #[derive(crate::one::One)] pub(in crate::one) struct Three; }",
        "pub struct Two; outer! { /// [`One`](crate::one::One)\n fn run() {} }",
        "pub struct Two; fn show() { println!(\"{}\", ::one::One); }",
        "pub struct Two; fn show() { println!(\"{}\", <u8>::one::One); }",
    ] {
        let files = [("lib.rs", LIB), ("one.rs", ONE), ("two.rs", two)];
        assert_eq!(edges_of(&files), ["one -> two"], "{two}");
    }
}

#[test]
fn names_in_a_macro_that_only_look_like_those_of_a_child_are_no_edges() {
    for body in [
        "println!(\"{}\", value.call());",
        "println!(\"{}\", call);",
        "println!(\"{}\", <u8>::child::call());",
        "println!(\"{}\", Vec::<u8>::child::call());",
        "println!(\"{}\", ::child::call());",
        "outer! { fn call() {} }",
        "outer! { 'Item: loop {} }",
        "macro_rules! make { ($child:ident) => { $child::call() }; }",
    ] {
        let group = format!("mod child; pub use child::{{Item, call}}; fn run() {{ {body} }}");
        let child = "pub struct Item; pub fn call() {}";
        let files = [("lib.rs", "mod group;"), ("group/mod.rs", &group), ("group/child.rs", child)];
        assert_eq!(edges_of(&files), [""; 0], "{body}");
    }
}

#[test]
fn a_macro_is_an_edge_to_the_module_that_defines_it() {
    let one = "macro_rules! make { () => {}; }";
    let user = "fn run() { make!(); }";
    let lib = "#[macro_use] mod one; mod two;";
    assert_eq!(edges_of(&[("lib.rs", lib), ("one.rs", one), ("two.rs", user)]), ["two -> one"]);
    // Nested calls are tokens.
    let nested = "fn run() { println!(\"{}\", make!()); }";
    assert_eq!(edges_of(&[("lib.rs", lib), ("one.rs", one), ("two.rs", nested)]), ["two -> one"]);
}

#[test]
fn a_macro_is_an_edge_by_its_path() {
    let exported = "#[macro_export] macro_rules! make { () => {}; }";
    let reexported = "macro_rules! make { () => {}; } pub(crate) use make;";
    let renamed = "macro_rules! make_it { () => {}; } pub(crate) use make_it as make;";
    for (one, two) in [
        (exported, "fn run() { crate::make!(); }"),
        (reexported, "use crate::one::make; fn run() { make!(); }"),
        (renamed, "fn run() { crate::one::make!(); }"),
    ] {
        let files = [("lib.rs", LIB), ("one.rs", one), ("two.rs", two)];
        assert_eq!(edges_of(&files), ["two -> one"], "{one} {two}");
    }
}

#[test]
fn a_macro_of_the_parent_is_an_edge_and_one_of_the_file_is_not() {
    let parent = "macro_rules! make { () => {}; } mod one;";
    let own = "macro_rules! make { () => {}; } fn run() { make!(); }";
    let files = [("lib.rs", parent), ("one.rs", "fn run() { make!(); }")];
    assert_eq!(edges_of(&files), ["one -> crate"]);
    assert_eq!(edges_of(&[("lib.rs", parent), ("one.rs", own)]), [""; 0]);
}

#[test]
fn a_macro_of_a_module_without_macro_use_is_another_one() {
    let one = "macro_rules! debug { () => {}; }";
    let two = "use tracing::debug; fn run() { debug!(); assert!(true); }";
    let three = "fn run() { debug!(); }";
    let lib = "mod one; mod two; mod three;";
    let files = [("lib.rs", lib), ("one.rs", one), ("two.rs", two), ("three.rs", three)];
    assert_eq!(edges_of(&files), [""; 0]);
}

#[test]
fn macro_use_reaches_through_a_chain_of_modules_only_without_a_gap() {
    let user = "fn run() { make!(); }";
    let inner = "macro_rules! make { () => {}; }";
    for (lib, group, expected) in [
        (
            "#[macro_use] mod group; mod user;",
            "#[macro_use] mod inner;",
            &["user -> group::inner"][..],
        ),
        ("mod group; mod user;", "#[macro_use] mod inner;", &[]),
        ("#[macro_use] mod group; mod user;", "mod inner;", &[]),
    ] {
        let files = [
            ("lib.rs", lib),
            ("group/mod.rs", group),
            ("group/inner.rs", inner),
            ("user.rs", user),
        ];
        assert_eq!(edges_of(&files), expected, "{lib} {group}");
    }
}
