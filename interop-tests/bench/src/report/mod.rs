//! The report of a run.

mod chart;
mod compare;
mod machine;
mod save;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use compare::compare;
pub(crate) use save::save;
pub(crate) use text::printed;

use crate::row::{Growth, Role, Row};

/// What `report.json` contains.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The compiler and the crates with their versions.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    /// Number of measured rounds.
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Measured>,
}

/// A benchmark with its figures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) work: String,
    pub(crate) unit: String,
    pub(crate) contestants: Vec<Figures>,
    pub(crate) goals: Vec<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) growth: Option<Growth>,
    /// What the README calls this benchmark, if it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_readme: Option<String>,
}

/// The figures of a contestant, in the unit of its benchmark.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) median: f64,
    /// The distance between the quartiles.
    pub(crate) spread: f64,
    /// Ratio to the first peer.
    pub(crate) of_peer: Option<f64>,
    pub(crate) of_baseline: Option<f64>,
}

/// A goal and whether it is met.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) relative_to: String,
    pub(crate) ratio: f64,
    pub(crate) maximum: f64,
    pub(crate) met: bool,
}

impl Report {
    /// Creates the report of these benchmarks, from the figures of each round.
    pub(crate) fn new(rows: &[Row], figures: Vec<Vec<Vec<f64>>>, rounds: usize) -> Report {
        Report {
            versions: machine::versions(),
            kernel: machine::kernel(),
            cpu: machine::cpu(),
            rounds,
            rows: rows.iter().zip(figures).map(|(row, figures)| measured(row, figures)).collect(),
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Report, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path:?}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{path:?}: {error}"))
    }

    /// Writes `report.json`, `report.md` and the charts, and returns their directory.
    pub(crate) fn write(&self) -> PathBuf {
        let directory = root().join("target/bench");
        fs::create_dir_all(&directory).expect("a directory for the report");
        let json = serde_json::to_string_pretty(self).expect("no key is a number");
        fs::write(directory.join("report.json"), json).expect("a file");
        self.write_page(&directory, "report.md");
        directory
    }

    /// Writes the charts, and a page with them and all figures.
    fn write_page(&self, directory: &Path, name: &str) {
        let charts = chart::draw(self, directory);
        fs::write(directory.join(name), text::page(self, &charts)).expect("a file");
    }
}

fn measured(row: &Row, figures: Vec<Vec<f64>>) -> Measured {
    let statistics: Vec<(f64, f64)> = figures.into_iter().map(median_and_spread).collect();
    let median_of = |role| row.first(role).map(|first| statistics[first].0);
    let (peer, baseline) = (median_of(Role::Peer), median_of(Role::Baseline));
    let contestants = row.contestants.iter().zip(&statistics);
    let contestants = contestants.map(|(contestant, &(median, spread))| Figures {
        name: contestant.name.to_owned(),
        role: contestant.role,
        median,
        spread,
        of_peer: peer.map(|peer| median / peer),
        of_baseline: baseline.map(|baseline| median / baseline),
    });
    let outcome = |goal: &crate::row::Goal| {
        let (Some(first), Some(ours)) = (row.first(goal.relative_to), row.last_of_ours()) else {
            panic!("{:?} has a goal, but nothing that it refers to", row.work);
        };
        let ratio = statistics[ours].0 / statistics[first].0;
        Outcome {
            relative_to: row.contestants[first].name.to_owned(),
            ratio,
            maximum: goal.maximum,
            met: ratio <= goal.maximum,
        }
    };
    Measured {
        work: row.work.clone(),
        unit: row.unit.to_owned(),
        contestants: contestants.collect(),
        goals: row.goals.iter().map(outcome).collect(),
        growth: row.growth.clone(),
        in_readme: row.in_readme.map(str::to_owned),
    }
}

impl Measured {
    /// Returns the contestant that others are compared with.
    pub(crate) fn first(&self, role: Role) -> Option<&Figures> {
        self.contestants.iter().find(|contestant| contestant.role == role)
    }

    /// Returns the contestant that the goals are for.
    pub(crate) fn ours(&self) -> &Figures {
        let mut last_first = self.contestants.iter().rev();
        last_first.find(|contestant| contestant.role == Role::Ours).expect("every row has ours")
    }
}

/// Returns the median, and the distance between the quartiles.
fn median_and_spread(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    let at = |part: f64| figures[((figures.len() - 1) as f64 * part).round() as usize];
    (at(0.5), at(0.75) - at(0.25))
}

/// Returns the root of the workspace.
fn root() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    path.canonicalize().expect("the directory of this package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_distance_between_the_quartiles() {
        let figures = vec![5.0, 1.0, 3.0, 2.0, 1000.0];
        assert_eq!(median_and_spread(figures), (3.0, 3.0));
    }
}
