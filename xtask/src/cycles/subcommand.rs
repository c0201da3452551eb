//! The subcommand `cargo xtask cycles`, and the step of `cargo xtask ci`.

use anyhow::{Result, bail};

use super::package::{self, Package};
use super::report::{self, Shown};

/// Find modules of a crate that import each other in a cycle
///
/// Parses the sources of each crate. A module imports another one if it has a path (in `use`, in code
/// or in a macro) to an item that the other module defines. Test code does not count, and neither does
/// a re-export in a module file (`pub use` in lib.rs, main.rs, mod.rs).
///
/// Modules that import each other, directly or through other modules, form a group. Prints one shortest
/// cycle of each group: each import with its location in the source and its path. Fails if there is one.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask cycles                       the crates of this workspace
  cargo xtask cycles anchovy-dbus          one of them
  cargo xtask cycles ../other/anchovy      a crate of another checkout
  cargo xtask cycles anchovy --all         every import that is part of a cycle"
)]
pub(crate) struct Arguments {
    /// Crates to check: names of packages of this workspace, or paths of directories that have a
    /// Cargo.toml;
    /// without any, the crates of this workspace
    #[arg(value_name = "CRATE|PATH", verbatim_doc_comment)]
    crates: Vec<String>,

    /// Show more than one cycle of each group: as many as it takes to show every import that is part of
    /// a cycle
    #[arg(long, verbatim_doc_comment)]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let packages = if arguments.crates.is_empty() {
        package::all()?
    } else {
        arguments.crates.iter().map(|name| package::find(name)).collect::<Result<_>>()?
    };
    check(&packages, if arguments.all { Shown::AllEdges } else { Shown::OneOfEachGroup })
}

/// Fails if modules of a crate of this workspace import each other in a cycle.
pub(crate) fn check_all() -> Result<()> {
    check(&package::all()?, Shown::OneOfEachGroup)
}

fn check(packages: &[Package], shown: Shown) -> Result<()> {
    let mut with_cycles = Vec::new();
    for package in packages {
        let report = report::check(package, shown)?;
        print!("{}", report.text);
        if report.has_cycle {
            with_cycles.push(package.name.as_str());
        }
    }
    if !with_cycles.is_empty() {
        bail!("modules import each other in a cycle in {}", with_cycles.join(", "));
    }
    Ok(())
}
