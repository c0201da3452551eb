//! A wrong `S` does not build, and the compiler says what would.
//!
//! `cargo check` does not see it, for the constant is looked at when the code is generated. The
//! text of a compiler changes with its version, so what is looked for is our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::guarded;

/// Builds a program with this body of `main` against the crate, in a package of its own.
fn build(name: &str, body: &str) -> Output {
    let library = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong_space").join(name);
    std::fs::create_dir_all(package.join("src")).unwrap();
    let manifest = format!(
        "[workspace]\n[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nanchovy = {{ path = {library:?} }}\n\
         rustix = {{ version = \"1\", features = [\"net\"] }}\n"
    );
    let program = format!(
        "fn main() {{\n    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();\n    \
         {body}\n}}\n"
    );
    write(&package.join("Cargo.toml"), &manifest);
    write(&package.join("src/main.rs"), &program);
    // The versions that are known to be at hand.
    let lock = std::fs::read_to_string(library.join("../Cargo.lock")).unwrap();
    write(&package.join("Cargo.lock"), &lock);
    Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.parent().unwrap().join("target"))
        .output()
        .expect("cargo")
}

/// Leaves a file alone that is as it should be, so that nothing is built anew.
fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_count_in_the_place_of_a_space_does_not_build_and_the_compiler_names_the_cure() {
    guarded(|| {
        let new = |space: &str| format!("let _ = anchovy::AnchovyStream::<{space}>::new(socket);");
        let right = build("right", &new("{ rustix::cmsg_space!(ScmRights(28)) }"));
        assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));

        for count in [28, 253] {
            let stream = format!("anchovy::AnchovyStream::<{count}>");
            // What is never polled is never generated.
            let connect = format!(
                "use std::future::Future; let mut connect = std::pin::pin!({stream}::connect(\"\")); \
                 let _ = connect.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));"
            );
            for (name, body) in [
                ("new", new(&count.to_string())),
                ("builder", format!("let _ = {stream}::builder();")),
                ("pair", format!("let _ = {stream}::pair();")),
                ("connect", connect),
            ] {
                let wrong = build(&format!("{name}_{count}"), &body);
                let said = String::from_utf8_lossy(&wrong.stderr);
                assert!(!wrong.status.success(), "{name} of {count} builds");
                assert!(said.contains("use rustix::cmsg_space!(ScmRights(N))"), "{name}: {said}");
            }
        }
    });
}
