//! An invalid `S` is an error of `cargo check` at the line that uses it, and the error names the
//! fix.
//!
//! The tests check libraries, because `cargo check` generates no code for them that could fail
//! later. They look only for the text of this crate, because that of the compiler changes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::guarded;

/// Every function that creates a stream or a listener, with a placeholder for `S`.
const CONSTRUCTORS: [(&str, &str); 10] = [
    ("socket: std::os::unix::net::UnixStream", "anchovy::AnchovyStream::<S>::new(socket)"),
    ("", "anchovy::AnchovyStream::<S>::builder()"),
    ("", "anchovy::AnchovyStream::<S>::pair()"),
    ("", "anchovy::AnchovyStream::<S>::connect(\"path\")"),
    ("parts: anchovy::Parts", "anchovy::AnchovyStream::<S>::from_parts(parts)"),
    ("", "anchovy::AnchovyListener::<S>::bind(\"path\")"),
    ("", "anchovy::AnchovyListener::<S>::builder()"),
    ("socket: std::os::unix::net::UnixListener", "anchovy::AnchovyListener::<S>::from_std(socket)"),
    ("socket: tokio::net::UnixListener", "anchovy::AnchovyListener::<S>::from_tokio(socket)"),
    ("fd: std::os::fd::OwnedFd", "anchovy::AnchovyListener::<S>::from_fd(fd)"),
];

/// Returns a module that calls every constructor, one per line.
fn constructing(space: &str) -> String {
    let mut module = String::new();
    for (number, (argument, call)) in CONSTRUCTORS.iter().enumerate() {
        let call = call.replace("<S>", &format!("<{space}>"));
        writeln!(module, "pub fn f{number}({argument}) {{ let _ = {call}; }}").unwrap();
    }
    module
}

/// Checks a library with these modules, as a separate package.
fn check(name: &str, modules: &[(String, String)]) -> Output {
    let anchovy = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong_space").join(name);
    std::fs::create_dir_all(package.join("src")).unwrap();
    let manifest = format!(
        "[workspace]\n[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nanchovy = {{ path = {anchovy:?} }}\n\
         tokio = {{ version = \"1\", features = [\"net\"] }}\n"
    );
    write(&package.join("Cargo.toml"), &manifest);
    let mut library = String::new();
    for (module, text) in modules {
        writeln!(library, "pub mod {module};").unwrap();
        write(&package.join("src").join(module).with_extension("rs"), text);
    }
    write(&package.join("src/lib.rs"), &library);
    // The versions in the lock file are already downloaded.
    let lock = std::fs::read_to_string(anchovy.join("../Cargo.lock")).unwrap();
    write(&package.join("Cargo.lock"), &lock);
    Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color", "never"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.parent().unwrap().join("target"))
        .output()
        .expect("cargo")
}

/// Writes a file only if its content differs, so that nothing is rebuilt.
fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn an_invalid_space_fails_cargo_check_at_the_line_that_uses_it() {
    guarded(|| {
        let wrong = [0, 1, 28, 31, 253, 4096];
        let modules =
            wrong.map(|space| (format!("space_{space}"), constructing(&space.to_string())));
        let output = check("invalid", &modules);
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = errors.split("error[E0277]: ").skip(1).collect();
        assert_eq!(errors.len(), wrong.len() * CONSTRUCTORS.len());

        for space in wrong {
            for (index, (_, call)) in CONSTRUCTORS.iter().enumerate() {
                // The first location in an error.
                let place = format!("--> src/space_{space}.rs:{}:", index + 1);
                let error = errors
                    .iter()
                    .find(|error| error.lines().nth(1).is_some_and(|line| line.contains(&place)))
                    .unwrap_or_else(|| panic!("{call} of {space}: {errors:#?}"));
                let message = format!(
                    "`AncillarySpace<{space}>` is not the ancillary space, in bytes, of any number \
                     of descriptors\n"
                );
                assert!(error.starts_with(&message), "{error}");
                assert!(error.contains("`S` is a size in bytes, not a number"), "{error}");
                for cure in ["`DBUS_SCM_RIGHTS`", "`WAYLAND_SCM_RIGHTS`"] {
                    assert!(error.contains(cure), "{error}");
                }
                assert!(error.contains("`{ anchovy::cmsg_space!(ScmRights(N)) }`"), "{error}");
                // The compiler must not list the 127 valid sizes.
                assert!(!error.contains("other types implement"), "{error}");
            }
        }
    });
}

#[test]
fn every_valid_space_compiles_and_only_constructors_need_the_bound() {
    guarded(|| {
        let mut modules: Vec<_> = (1..=253)
            .map(|fds| {
                let space = format!("{{ anchovy::cmsg_space!(ScmRights({fds})) }}");
                (format!("fds_{fds}"), constructing(&space))
            })
            .collect();
        let generic = "\
            use anchovy::{AnchovyListener, AnchovyStream, AncillarySpace, ValidSpace};\n\
            pub fn limit<const S: usize>(mut stream: AnchovyStream<S>) -> usize {\n\
            let _ = stream.split();\n\
            let (_, write) = stream.into_split();\n\
            write.write_fd_limit() + AnchovyStream::<S>::FD_LIMIT\n\
            }\n\
            pub async fn accept<const S: usize>(listener: &AnchovyListener<S>) -> AnchovyStream<S> {\n\
            listener.accept().await.unwrap().0\n\
            }\n\
            pub fn pair<const S: usize>() -> (AnchovyStream<S>, AnchovyStream<S>)\n\
            where AncillarySpace<S>: ValidSpace {\n\
            AnchovyStream::pair().unwrap()\n\
            }\n";
        modules.push((String::from("generic"), String::from(generic)));
        let output = check("valid", &modules);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
