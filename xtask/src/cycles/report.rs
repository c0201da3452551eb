//! The cycles of a crate as text: each edge with its location in the source.

use std::path::Path;

use anyhow::Result;

use super::edges::{Edge, edges};
use super::graph::Graph;
use super::package::Package;
use super::read::read;
use super::tree::{ModuleId, Tree};

/// The cycles that a report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// One for each group of modules that can reach each other.
    OneOfEachGroup,
    /// Enough cycles to show each edge between modules of such a group.
    AllEdges,
}

/// Result of checking a package.
pub(super) struct Report {
    /// Lines to print.
    pub(super) text: String,
    pub(super) has_cycle: bool,
}

/// Checks the crates of a package.
pub(super) fn check(package: &Package, shown: Shown) -> Result<Report> {
    let mut report = Report { text: String::new(), has_cycle: false };
    for root in &package.roots {
        let crate_report = check_crate(package, root, shown)?;
        report.text += &crate_report.text;
        report.has_cycle |= crate_report.has_cycle;
    }
    Ok(report)
}

fn check_crate(package: &Package, root: &Path, shown: Shown) -> Result<Report> {
    let tree = read(&package.directory, root)?;
    let edges = edges(&tree);
    let graph = Graph::new(tree.modules.len(), edges.iter().map(|edge| (edge.from, edge.to)));
    let components = graph.components();
    let name = &package.name;
    if components.is_empty() {
        let (modules, edges) = (tree.modules.len(), edges.len());
        let text = format!("{name}: {modules} modules, {edges} edges, no cycle\n");
        return Ok(Report { text, has_cycle: false });
    }

    let mut text = String::new();
    for component in components {
        text += &format!("{name}: modules import each other in a cycle:\n");
        let cycles = match shown {
            Shown::OneOfEachGroup => vec![graph.shortest_cycle(&component)],
            Shown::AllEdges => graph.cycles_of_edges(&component),
        };
        let cycles: Vec<_> = cycles.iter().map(|cycle| lines(&tree, &edges, cycle)).collect();
        text += &cycles.join("\n");
        if component.len() > 2 {
            let names: Vec<_> =
                component.iter().map(|module| tree.modules[*module].name.as_str()).collect();
            let count = names.len();
            text += &format!("  {count} modules reach each other: {}\n", names.join(", "));
        }
    }
    Ok(Report { text, has_cycle: true })
}

/// Returns one line for each edge of a cycle.
fn lines(tree: &Tree, edges: &[Edge], cycle: &[ModuleId]) -> String {
    let successors = cycle.iter().cycle().skip(1);
    let pairs = cycle.iter().zip(successors);
    let on_cycle = pairs
        .filter_map(|(from, to)| edges.iter().find(|edge| edge.from == *from && edge.to == *to));
    let rows: Vec<_> = on_cycle
        .map(|edge| {
            let (from, to) = (&tree.modules[edge.from], &tree.modules[edge.to]);
            let modules = format!("{} -> {}", from.name, to.name);
            let location = format!("{}:{}", from.file.display(), edge.line);
            (modules, location, &edge.path)
        })
        .collect();
    let modules_width = rows.iter().map(|(modules, _, _)| modules.len()).max().unwrap_or(0);
    let location_width = rows.iter().map(|(_, location, _)| location.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(modules, location, path)| {
            format!("  {modules:<modules_width$}   {location:<location_width$}  {path}\n")
        })
        .collect()
}
