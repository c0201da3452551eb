//! Modules are found in the files where rustc finds them.

use super::{Sample, edges_of};

const USER: &str = "use crate::one::One;";
const ONE: &str = "pub struct One;";

#[test]
fn a_module_is_in_its_file_or_in_a_directory() {
    for (user, inner) in [
        ("user.rs", "user/inner.rs"),
        ("user.rs", "user/inner/mod.rs"),
        ("user/mod.rs", "user/inner.rs"),
        ("user/mod.rs", "user/inner/mod.rs"),
    ] {
        let files = [
            ("lib.rs", "mod one; mod user;"),
            ("one.rs", ONE),
            (user, "mod inner;"),
            (inner, USER),
        ];
        assert_eq!(edges_of(&files), ["user::inner -> one"], "{user} {inner}");
    }
}

#[test]
fn a_module_is_in_the_file_that_its_path_names() {
    for (user, declaration, file) in [
        ("user.rs", "#[path = \"other.rs\"] mod inner;", "other.rs"),
        ("user/mod.rs", "#[path = \"other.rs\"] mod inner;", "user/other.rs"),
        ("user.rs", "mod a { #[path = \"other.rs\"] mod inner; }", "user/a/other.rs"),
        ("user/mod.rs", "mod a { #[path = \"other.rs\"] mod inner; }", "user/a/other.rs"),
        ("user.rs", "mod a { mod inner; }", "user/a/inner.rs"),
    ] {
        let files =
            [("lib.rs", "mod one; mod user;"), ("one.rs", ONE), (user, declaration), (file, USER)];
        let name = if declaration.contains("mod a") { "user::a::inner" } else { "user::inner" };
        assert_eq!(edges_of(&files), [format!("{name} -> one")], "{user} {declaration}");
    }
}

#[test]
fn modules_beside_a_file_that_a_path_names_are_found() {
    let files = [
        ("lib.rs", "mod one; #[path = \"other/user.rs\"] mod user;"),
        ("one.rs", ONE),
        ("other/user.rs", "mod inner;"),
        ("other/inner.rs", USER),
    ];
    assert_eq!(edges_of(&files), ["user::inner -> one"]);
}

#[test]
fn every_file_of_a_module_that_cfg_chooses_counts() {
    let lib = "mod one; mod user;
        #[cfg(unix)] #[path = \"unix.rs\"] mod system;
        #[cfg(windows)] #[path = \"windows.rs\"] mod system;";
    let files = [
        ("lib.rs", lib),
        ("one.rs", ONE),
        ("unix.rs", "pub fn call() {}"),
        ("windows.rs", "pub fn call() { crate::one::One; }"),
        ("user.rs", "use crate::system::call;"),
    ];
    assert_eq!(edges_of(&files), ["system -> one", "user -> system", "user -> system"]);
}

#[test]
fn a_module_without_a_file_is_reported_with_both_paths() {
    let error = Sample::new(&[("lib.rs", "mod one;")]).edges().unwrap_err().to_string();
    assert!(error.contains("src/one.rs") && error.contains("src/one/mod.rs"), "{error}");
}

#[test]
fn a_file_that_cannot_be_parsed_is_reported_with_its_line() {
    let error = Sample::new(&[("lib.rs", "fn one() {}\nfn {}")]).edges().unwrap_err().to_string();
    assert!(error.contains("src/lib.rs:2: "), "{error}");
}
