//! Names are followed to the module that defines them.

use super::{edges_of, has_cycle};

#[test]
fn a_reexport_of_the_root_leads_to_the_defining_module() {
    // The root uses `one`: an edge from `one` to the root would be a cycle.
    let lib = "mod one; mod two; pub use two::Two; pub fn run() { one::call(); }";
    let one = "use crate::Two; pub fn call() {}";
    let files = [("lib.rs", lib), ("one.rs", one), ("two.rs", "pub struct Two;")];
    assert_eq!(edges_of(&files), ["crate -> one", "one -> two"]);
    assert!(!has_cycle(&files));
}

#[test]
fn a_cycle_by_reexports_of_the_root_fails() {
    let lib = "mod one; mod two; pub use one::One; pub use two::Two;";
    let one = "use crate::Two; pub struct One;";
    let two = "pub struct Two; fn make() { crate::One::new(); }";
    assert!(has_cycle(&[("lib.rs", lib), ("one.rs", one), ("two.rs", two)]));
}

#[test]
fn renamed_grouped_and_repeated_reexports_are_followed() {
    let lib = "mod group; mod user; pub(crate) use group::{inner::{Second as Third}, *};";
    let group = "mod inner; pub use self::inner::{self as renamed, First as Second, Other};";
    let inner = "pub struct First; pub struct Other; pub use First as Second;";
    for user in [
        "use crate::Third;",
        "use crate::Other as _;",
        "use crate::renamed::First;",
        "use crate::{group::Second};",
        "use crate::{self as root}; fn make() -> root::Other { root::Other }",
        "use crate::renamed::{self}; fn make() -> renamed::First { renamed::First }",
    ] {
        let files = [
            ("lib.rs", lib),
            ("user.rs", user),
            ("group/mod.rs", group),
            ("group/inner.rs", inner),
        ];
        let edges = edges_of(&files);
        assert!(edges.contains(&"user -> group::inner".to_owned()), "{user}: {edges:?}");
        assert!(!edges.contains(&"user -> group".to_owned()), "{user}: {edges:?}");
    }
}

#[test]
fn a_namespace_is_an_edge_and_so_is_what_it_reexports() {
    for user in ["use crate::group;", "use crate::group::{self};", "use super::{group};"] {
        let user = format!("{user} fn make() -> group::Item {{ group::Item }}");
        let files = [
            ("lib.rs", "mod group; mod user;"),
            ("group/mod.rs", "mod inner; pub use inner::Item;"),
            ("group/inner.rs", "pub struct Item;"),
            ("user.rs", &user),
        ];
        assert_eq!(edges_of(&files), ["user -> group", "user -> group::inner"], "{user}");
    }
}

#[test]
fn a_private_import_of_the_parent_leads_to_the_defining_module() {
    let files = [
        ("lib.rs", "mod group; mod two;"),
        ("group/mod.rs", "mod child; use crate::two::Two; fn run(_: Two) { child::call() }"),
        ("group/child.rs", "use super::Two; pub fn call() {}"),
        ("two.rs", "pub struct Two;"),
    ];
    assert_eq!(edges_of(&files), ["group -> group::child", "group -> two", "group::child -> two"]);
}

#[test]
fn a_reexport_in_a_module_file_is_no_edge() {
    let child = "use super::Item; pub fn call(_: Item) {}";
    for group in [
        "mod child; pub use child::call; pub struct Item;",
        "mod child; pub(crate) use child::call; pub struct Item;",
        "mod child; pub use child::*; pub struct Item;",
    ] {
        for file in ["group/mod.rs", "group.rs"] {
            let files = [("lib.rs", "mod group;"), (file, group), ("group/child.rs", child)];
            assert_eq!(edges_of(&files), ["group::child -> group"], "{group}");
        }
    }
}

#[test]
fn a_reexport_in_another_file_is_an_edge() {
    let files = [
        ("lib.rs", "mod one; mod two;"),
        ("one.rs", "pub use crate::two::Two;"),
        ("two.rs", "pub struct Two;"),
    ];
    assert_eq!(edges_of(&files), ["one -> two"]);
}

#[test]
fn a_name_that_a_module_file_reexports_and_uses_is_an_edge() {
    for user in [
        "fn run() { call() }",
        "fn run() { Item::new() }",
        "fn run(_: &[Item]) {}",
        "fn run() { println!(\"{}\", call()) }",
        "fn run(n: u8) { match n { LIMIT => {} _ => {} } }",
    ] {
        let group = format!("mod child; pub use child::{{Item, LIMIT, call}}; {user}");
        let child = "pub struct Item; pub const LIMIT: u8 = 1; pub fn call() {}";
        let files = [("lib.rs", "mod group;"), ("group/mod.rs", &group), ("group/child.rs", child)];
        assert_eq!(edges_of(&files), ["group -> group::child"], "{user}");
    }
}

#[test]
fn a_variable_with_the_name_of_a_child_is_no_edge() {
    let group =
        "mod child; pub use child::call; fn run(child: u8, call: u8) -> u8 { child + call }";
    let files =
        [("lib.rs", "mod group;"), ("group/mod.rs", group), ("group/child.rs", "pub fn call() {}")];
    assert_eq!(edges_of(&files), [""; 0]);
}

#[test]
fn a_glob_import_is_an_edge_to_what_the_file_uses() {
    let group = "mod one; mod two; mod user; pub use one::One; pub use two::Two;";
    let files = [
        ("lib.rs", "mod group;"),
        ("group/mod.rs", group),
        ("group/one.rs", "pub struct One;"),
        ("group/two.rs", "pub struct Two;"),
        ("group/user.rs", "use super::*; pub struct User(One);"),
    ];
    assert_eq!(edges_of(&files), ["group::user -> group::one"]);
}

#[test]
fn a_glob_import_is_an_edge_to_a_module_that_defines_something() {
    let files = [
        ("lib.rs", "mod one; mod two;"),
        ("one.rs", "use crate::two::*; fn run(n: u8) { n.call() }"),
        ("two.rs", "pub trait Call { fn call(self) {} } impl Call for u8 {}"),
    ];
    assert_eq!(edges_of(&files), ["one -> two"]);
}

#[test]
fn a_glob_of_the_parent_in_an_inline_module_is_no_edge() {
    let files = [
        ("lib.rs", "mod one;"),
        ("one.rs", "pub struct One; mod options { use super::*; fn run(_: One) {} }"),
    ];
    assert_eq!(edges_of(&files), [""; 0]);
}

#[test]
fn an_explicit_import_hides_a_glob_import() {
    let files = [
        ("lib.rs", "mod group; mod two; mod user;"),
        ("group/mod.rs", "mod one; pub use one::Item;"),
        ("group/one.rs", "pub struct Item;"),
        ("two.rs", "pub struct Item;"),
        ("user.rs", "use crate::{group::*, two::Item}; fn run(_: Item) {}"),
    ];
    assert_eq!(edges_of(&files), ["user -> two"]);
}

#[test]
fn an_item_of_a_function_is_not_one_of_the_module() {
    let files = [
        ("lib.rs", "mod group; mod user;"),
        ("group/mod.rs", "mod one; pub use one::Item; fn run() { struct Item; }"),
        ("group/one.rs", "pub struct Item;"),
        ("user.rs", "use crate::group::Item;"),
    ];
    assert_eq!(edges_of(&files), ["user -> group::one"]);
}

#[test]
fn an_item_and_a_module_of_one_name_are_distinguished() {
    let files = [
        ("lib.rs", "mod group; mod user;"),
        ("group/mod.rs", "mod frame; pub use frame::frame; pub struct Group;"),
        ("group/frame/mod.rs", "mod inner; pub use inner::frame;"),
        ("group/frame/inner.rs", "pub fn frame() {}"),
        ("user.rs", "use crate::group::frame; fn run() { frame() }"),
    ];
    assert_eq!(edges_of(&files), ["user -> group::frame::inner"]);
}

#[test]
fn a_path_may_lead_through_one_reexport_twice() {
    let files = [
        ("lib.rs", "mod one; mod user; pub use one as renamed;"),
        ("one/mod.rs", "pub mod inner; pub use crate::renamed::inner::Item;"),
        ("one/inner.rs", "pub struct Item;"),
        ("user.rs", "use crate::renamed::Item;"),
    ];
    assert_eq!(edges_of(&files), ["user -> one::inner"]);
}

#[test]
fn circular_imports_are_resolved_without_a_loop() {
    for (one, two) in [
        ("pub use crate::two::Item;", "pub use crate::one::Item;"),
        ("pub use crate::two::*; fn run(_: Item) {}", "pub use crate::one::*; fn run(_: Item) {}"),
    ] {
        let files = [("lib.rs", "mod one; mod two;"), ("one.rs", one), ("two.rs", two)];
        assert_eq!(edges_of(&files), ["one -> two", "two -> one"], "{one} {two}");
    }
}

#[test]
fn names_of_other_crates_are_no_edges() {
    let files = [
        ("lib.rs", "mod error; mod io; mod user; pub use std::fmt;"),
        ("error.rs", "pub struct Error;"),
        ("io.rs", "pub struct Io;"),
        (
            "user.rs",
            "use std::{error, io}; use ::io as other; use super::fmt; fn run(_: io::Error) {}",
        ),
    ];
    assert_eq!(edges_of(&files), [""; 0]);
}

#[test]
fn a_path_with_leading_colons_names_another_crate() {
    let lib = "mod io; use ::io::Error; fn run(_: ::io::Error) {}";
    assert_eq!(edges_of(&[("lib.rs", lib), ("io.rs", "pub struct Error;")]), [""; 0]);
}

#[test]
fn what_a_macro_defines_is_in_the_module_that_calls_it() {
    let one = "bitflags! { pub struct Flags: u32 { const SET = 1; } } other! { Unknown }";
    for user in ["use crate::one::Flags;", "use crate::one::Unknown;"] {
        let files = [("lib.rs", "mod one; mod user;"), ("one.rs", one), ("user.rs", user)];
        assert_eq!(edges_of(&files), ["user -> one"], "{user}");
    }
    // Without a path of its own, only a name that stands after `struct` is found.
    let files = [
        ("lib.rs", "mod one; mod user; use one::*;"),
        ("one.rs", one),
        ("user.rs", "use super::*; fn run(_: Flags) {}"),
    ];
    assert_eq!(edges_of(&files), ["crate -> one", "user -> one"]);
}
