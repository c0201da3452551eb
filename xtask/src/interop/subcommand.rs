//! The subcommand `cargo xtask interop`, and the steps of `cargo xtask ci` that run scenarios.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::obtain;
use super::paths::Paths;
use super::peer::Peer;
use super::peers::PEERS;
use super::report;
use super::scenarios;
use crate::tools::{self, OnMissing};

/// Run the interoperability scenarios against real peers
///
/// Finds the version of each peer, builds the scenarios and runs each one in a separate process.
/// Prints a table of the results and writes it to target/interop/report.md. Fails if a peer is
/// missing, or if a scenario fails or hangs. No scenario is skipped.
///
/// Peers run as processes of this user in private temporary directories, and are killed by their
/// process ids. No session, display or service of the machine is used. Outside of target, only
/// --install changes the machine: it installs packages. A package that would start or replace a service
/// or a program is unpacked below target/interop instead. Programs that cargo can build are built there
/// too: busd, and a program that uses the crate abus with this repository's anchovy.
///
/// If a scenario fails, its log and its directory are kept, and their paths are printed. The
/// transcript of each scenario is compared with the accepted one; `cargo insta review` accepts a new
/// one.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask interop                     all scenarios with all peers
  cargo xtask interop --install           installs missing packages with apt-get first
  cargo xtask interop gdbus dbus-broker   only the scenarios with these peers"
)]
pub(crate) struct Arguments {
    /// Peers to test; without any, all of them
    #[arg(value_name = "PEER", value_parser = peer_names())]
    peers: Vec<String>,

    /// Install missing programs with apt-get, through sudo unless root;
    /// the environment variable CI implies it
    #[arg(long, verbatim_doc_comment)]
    install: bool,
}

fn peer_names() -> clap::builder::PossibleValuesParser {
    PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().into()
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |peer: &&Peer| {
        arguments.peers.is_empty() || arguments.peers.iter().any(|name| name == peer.name)
    };
    let peers: Vec<_> = PEERS.iter().filter(chosen).collect();
    let paths = Paths::new()?;
    obtain::ensure_present(&peers, &paths, tools::on_missing(arguments.install))?;
    run_scenarios(&peers, &paths).context("interop")
}

/// Fails unless every peer is installed. Installs missing ones first, if `on_missing` allows it.
pub(crate) fn ensure_present(on_missing: OnMissing) -> Result<()> {
    obtain::ensure_present(&PEERS.iter().collect::<Vec<_>>(), &Paths::new()?, on_missing)
}

/// Runs every scenario against every peer. All peers must be installed.
pub(crate) fn run_all() -> Result<()> {
    run_scenarios(&PEERS.iter().collect::<Vec<_>>(), &Paths::new()?)
}

fn run_scenarios(peers: &[&Peer], paths: &Paths) -> Result<()> {
    scenarios::build_examples()?;
    let features: BTreeSet<_> = peers.iter().map(|peer| peer.feature).collect();
    let mut listed = Vec::new();
    for feature in features {
        // Each program has all scenarios except those that require another feature.
        let all = scenarios::build(feature)?;
        // The list of peers here and that of interop-tests must be the same.
        for name in all.iter().map(|scenario| &scenario.peer) {
            ensure!(PEERS.iter().any(|peer| peer.name == name), "xtask has no peer called {name}");
        }
        let wanted = |name: &str| peers.iter().any(|p| p.name == name && p.feature == feature);
        listed.extend(all.into_iter().filter(|scenario| wanted(&scenario.peer)));
    }
    let width = listed.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let mut outcomes = Vec::new();
    for peer in peers {
        let version = peer.version(&paths.search).with_context(|| peer.name.to_owned())?;
        let scenarios_of_peer: Vec<_> =
            listed.iter().filter(|scenario| scenario.peer == peer.name).collect();
        ensure!(!scenarios_of_peer.is_empty(), "there is no scenario with {}", peer.name);
        eprintln!("{} {version}", peer.name);
        for scenario in scenarios_of_peer {
            outcomes.push(scenarios::run(scenario, &version, paths, width)?);
        }
    }

    let table = report::table(&outcomes);
    println!("\n{table}");
    let path = paths.output.join("report.md");
    fs::write(&path, &table).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written to {}", path.display());

    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|outcome| outcome.name()).collect();
        bail!("{} of {} scenarios failed: {}", failed.len(), outcomes.len(), names.join(", "));
    }
    Ok(())
}
