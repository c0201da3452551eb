//! The subcommand `cargo xtask mutants`.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::requirements::{self, Requirement};

const REQUIREMENTS: &[Requirement] = &[(
    "cargo-mutants",
    &["cargo-mutants", "mutants", "--version"],
    "cargo install cargo-mutants --locked",
)];

/// A part of the crates: its name, its files, and the integration tests of its crate that cover it.
struct Module {
    name: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The modules, in the order in which descriptors pass them.
const MODULES: &[Module] = &[
    Module { name: "receive", files: &["anchovy/src/receive.rs"], tests: &["stream", "listener"] },
    Module { name: "send", files: &["anchovy/src/send.rs"], tests: &["stream"] },
    Module {
        name: "socket",
        files: &[
            "anchovy/src/socket.rs",
            "anchovy/src/receive_mode.rs",
            "anchovy/src/reactor/linux.rs",
            "anchovy/src/reactor/transfer.rs",
        ],
        tests: &["stream", "listener"],
    },
    Module { name: "sys", files: &["anchovy/src/sys/**"], tests: &["stream", "listener"] },
    Module { name: "listener", files: &["anchovy/src/listen/**"], tests: &["listener"] },
    Module { name: "codec", files: &["anchovy/src/codec/**"], tests: &["stream", "errors"] },
    Module {
        name: "budget",
        files: &["anchovy/src/budget/**"],
        tests: &["stream", "listener", "exchange"],
    },
    Module {
        name: "dbus-handshake",
        files: &[
            "anchovy-dbus/src/auth/**",
            "anchovy-dbus/src/handshake/**",
            "anchovy-dbus/src/handshake_slots.rs",
            "anchovy-dbus/src/pending_handshakes.rs",
        ],
        tests: &["dbus"],
    },
    Module {
        name: "dbus-message",
        files: &["anchovy-dbus/src/message/**"],
        tests: &["message", "dbus"],
    },
    Module {
        name: "wayland-framing",
        files: &["anchovy-wayland/src/codec.rs", "anchovy-wayland/src/wire/**"],
        tests: &["wayland", "registry"],
    },
    Module {
        name: "wayland-lock",
        files: &["anchovy-wayland/src/listen/lock*.rs"],
        tests: &["sockets"],
    },
];

/// Unit tests that try many orders of events, for seconds each. They run for the changes that the others
/// miss.
const SLOW: &[&str] = &[
    "codec::tests::discarding::frames_around_a_rejected_one",
    "codec::tests::discarding::sets_that_share_a_send",
    "codec::tests::exchanges::",
    "codec::tests::last_byte::every_set_goes_to",
    "codec::tests::last_byte::messages_sent_alone",
    "budget::ledger::tests::no_request_waits_that_has_room",
    "message::fields::tests::usual_fields_are_read_as_all_others",
    "message::names::tests::every_byte_at_every_position_is_checked",
];

/// Change the code in one place at a time and run the tests
///
/// A change that no test notices is a missing test. `.cargo/mutants.toml` lists the changes that no test
/// can notice, with the reason for each, and the results of each module.
///
/// First runs the fast unit tests of the crate for each change, and then all unit tests and the
/// integration tests of the module for the changes that were not noticed. The results of a module are in
/// target/mutants/MODULE/mutants.out; missed.txt lists the changes that no test has noticed. A module
/// takes minutes, all of them hours.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask mutants                              all modules
  cargo xtask mutants receive send                 two modules
  cargo xtask mutants codec --re 'ReadBuffer::'    the methods of one type
  cargo xtask mutants codec --list                 the changes, without running a test"
)]
pub(crate) struct Arguments {
    /// Modules to change; without any, all of them
    #[arg(value_name = "MODULE", value_parser = MODULES.iter().map(|module| module.name).collect::<Vec<_>>())]
    modules: Vec<String>,

    /// Make only the changes whose line in the list matches one of these regular expressions, and those
    /// with the text "delete field", which cargo-mutants never leaves out
    #[arg(long, value_name = "REGEX")]
    re: Vec<String>,

    /// Make only the changes of this part of the list, such as 0/4
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,

    /// List the changes, and run no tests
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    requirements::ensure(REQUIREMENTS).context("mutants")?;
    // cargo-mutants creates the directory of the module in it, and fails if this one is missing.
    let results = command::root().join("target/mutants");
    fs::create_dir_all(&results).with_context(|| format!("mutants: cannot create {results:?}"))?;
    let is_wanted = |module: &&Module| {
        arguments.modules.is_empty() || arguments.modules.iter().any(|name| name == module.name)
    };
    let mut failed = Vec::new();
    for module in MODULES.iter().filter(is_wanted) {
        if let Err(error) = run_module(module, arguments) {
            eprintln!("{error:#}");
            failed.push(module.name);
        }
    }
    ensure!(
        failed.is_empty(),
        "mutants: {} failed, or have changes that no test noticed",
        failed.join(", ")
    );
    Ok(())
}

fn run_module(module: &Module, arguments: &Arguments) -> Result<()> {
    if arguments.list {
        return command::run(mutants(module, arguments).arg("--list").stdin(Stdio::null()));
    }
    // cargo-mutants creates only the last directory of its output.
    let output = command::root().join("target/mutants");
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    // Examples and doc tests repeat what the others check.
    let mut fast_tests = mutants(module, arguments);
    fast_tests.args(["--", "--lib", "--"]);
    for test in SLOW {
        fast_tests.args(["--skip", test]);
    }
    // This run fails if the fast tests miss a change, which the second run then tests.
    if command::run(fast_tests.stdin(Stdio::null())).is_ok() {
        return Ok(());
    }
    let mut all_tests = mutants(module, arguments);
    all_tests.args(["--iterate", "--", "--lib"]);
    for test in module.tests {
        all_tests.args(["--test", test]);
    }
    command::run(all_tests.stdin(Stdio::null()))
}

fn mutants(module: &Module, arguments: &Arguments) -> Command {
    let mut mutants = command::cargo("mutants --profile mutants --output");
    // Each run copies the workspace, and all of them build the same dependencies.
    mutants.env("CARGO_TARGET_DIR", command::root().join("target/mutants/build"));
    mutants.arg(format!("target/mutants/{}", module.name));
    for file in module.files {
        mutants.args(["--file", file]);
    }
    for change in &arguments.re {
        mutants.args(["--re", change]);
    }
    if let Some(shard) = &arguments.shard {
        mutants.args(["--shard", shard]);
    }
    mutants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_names_files_that_exist() {
        for module in MODULES {
            for file in module.files {
                let fixed = file.split('*').next().expect("the part before a star");
                let (directory, start) = fixed.rsplit_once('/').expect("a path");
                let entries = std::fs::read_dir(command::root().join(directory)).expect(file);
                let mut names = entries.map(|entry| entry.expect(file).file_name());
                assert!(names.any(|name| name.to_string_lossy().starts_with(start)), "{file}");
            }
        }
    }
}
