//! The commands of this workspace, which need no shell and no tool but cargo.
//!
//! `.cargo/config.toml` makes `cargo xtask` run this program. Each subcommand has its own file.

mod bench;
mod ci;
mod command;
mod counts;
mod cycles;
mod demo;
mod dependencies;
mod faults;
mod features;
mod fuzz;
mod interop;
mod links;
mod lints;
mod lock;
mod loom;
mod miri;
mod msrv;
mod mutants;
mod named_tests;
mod package_contents;
mod package_manager;
mod packages;
mod plain_path;
mod requirements;
mod sanitize;
mod semver;
mod soak;
mod steps;
mod targets;
mod tools;
mod words;
#[cfg(test)]
mod workflows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run the checks, tests and benchmarks of this workspace
///
/// Every subcommand works in the root of the workspace and prints each command before running it. It
/// stops at the first command that fails, and the last line of its output tells what failed. Only
/// `interop` continues after a scenario that fails.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    verbatim_doc_comment,
    bin_name = "cargo xtask",
    after_help = "\
Examples:
  cargo xtask demo             sends a file descriptor from one process to another
  cargo xtask ci --install     installs the required programs and runs all checks
  cargo xtask interop          runs the interoperability scenarios against real peers
  cargo xtask ci --help        lists the steps of a subcommand"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Ci(ci::Arguments),
    Demo(demo::Arguments),
    Interop(interop::Arguments),
    Bench(bench::Arguments),
    Counts(counts::Arguments),
    Faults(faults::Arguments),
    Fuzz(fuzz::Arguments),
    Loom(loom::Arguments),
    Miri(miri::Arguments),
    Mutants(mutants::Arguments),
    Sanitize(sanitize::Arguments),
    Soak(soak::Arguments),
    Cycles(cycles::Arguments),
    Words(words::Arguments),
    Dependencies(dependencies::Arguments),
    Semver(semver::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Demo(demo::Arguments {}) => demo::run(),
        Task::Interop(arguments) => interop::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Counts(arguments) => counts::run(&arguments),
        Task::Faults(arguments) => faults::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Loom(arguments) => loom::run(&arguments),
        Task::Miri(arguments) => miri::run(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Sanitize(arguments) => sanitize::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Cycles(arguments) => cycles::run(&arguments),
        Task::Words(arguments) => words::run(&arguments),
        Task::Dependencies(arguments) => dependencies::run(&arguments),
        Task::Semver(arguments) => semver::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes are on the same line, so that the last line of a log is complete.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Arguments;
    use super::workflows;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_workflows_call_subcommands_that_exist() {
        let commands = workflows::commands();
        assert!(commands.len() > 3, "{commands:?}");
        for (path, command) in commands {
            // `cargo xtask` is one name.
            let words = command.split(' ').skip(1);
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{path}: {command}: {error}");
            }
        }
    }

    #[test]
    fn the_help_of_each_subcommand_begins_with_one_sentence() {
        for subcommand in Arguments::command().get_subcommands() {
            let about = subcommand.get_about().expect("a description").to_string();
            assert!(about.starts_with(char::is_uppercase), "{about}");
            assert!(!about.contains(['.', '?', ';', ':', '\n']), "{about}");
        }
    }
}
