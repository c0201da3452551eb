//! The commands of this workspace, in Rust, so that they need no shell and no tool but cargo.
//!
//! `.cargo/config.toml` makes `cargo xtask` run this program; each subcommand has a file of its own.

mod bench;
mod ci;
mod command;
mod cycles;
mod demo;
mod interop;
mod lock;
mod msrv;
mod steps;
mod targets;
mod tools;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of this workspace
///
/// Each of them works from the root of the workspace, wherever it is called, prints every command
/// before running it, and stops at the first that fails with one line that names it.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    verbatim_doc_comment,
    bin_name = "cargo xtask",
    after_help = "\
Begin here:
  cargo xtask demo             see a descriptor cross from one process to another
  cargo xtask ci --install     every check there is, after installing what they need
  cargo xtask interop          run the interoperability scenarios against real peers
  cargo xtask ci --help        what a subcommand does, step by step"
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
    Cycles(cycles::Arguments),
    Words(words::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Demo(demo::Arguments {}) => demo::run(),
        Task::Interop(arguments) => interop::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Cycles(arguments) => cycles::run(&arguments),
        Task::Words(arguments) => words::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Causes follow on the same line: the last line of a log should tell the whole story.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
