//! Benchmarks: the work, the contestants, and the goals of anchovy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Measures one contestant once, in the unit of its row.
type Measure = Box<dyn Fn() -> f64>;

/// The part that a contestant has in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Another crate, or another way of doing the same. The goals of a row refer to the first one.
    Peer,
    /// A hand-written loop of system calls that does the same work.
    Baseline,
    /// A crate of this workspace. The goals of a row refer to the last one.
    Ours,
}

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    measure: Measure,
}

impl Contestant {
    /// Measures once, and returns a number in the unit of the row.
    pub(crate) fn measure(&self) -> f64 {
        (self.measure)()
    }
}

/// The maximum ratio of anchovy to another contestant.
#[derive(Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) relative_to: Role,
    pub(crate) maximum: f64,
}

/// The place of a benchmark in a line chart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    /// The title of the chart. Benchmarks with the same title form its lines.
    pub(crate) chart: String,
    /// The size or number that the benchmarks of this chart differ in.
    pub(crate) at: f64,
}

/// A benchmark with its contestants, and a builder for it.
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) growth: Option<Growth>,
    /// What the README calls this benchmark, if it has it.
    pub(crate) in_readme: Option<&'static str>,
}

impl Row {
    /// Creates a benchmark without contestants.
    pub(crate) fn new(work: impl Into<String>, unit: &'static str) -> Row {
        Row {
            work: work.into(),
            unit,
            contestants: Vec::new(),
            goals: Vec::new(),
            growth: None,
            in_readme: None,
        }
    }

    pub(crate) fn peer(self, name: &'static str, measure: impl Time) -> Row {
        self.contestant(Role::Peer, name, nanoseconds(measure))
    }

    pub(crate) fn baseline(self, measure: impl Time) -> Row {
        self.contestant(Role::Baseline, "baseline", nanoseconds(measure))
    }

    pub(crate) fn ours(self, name: &'static str, measure: impl Time) -> Row {
        self.contestant(Role::Ours, name, nanoseconds(measure))
    }

    /// Adds a contestant whose memory is measured.
    pub(crate) fn bytes(self, role: Role, name: &'static str, measure: fn() -> usize) -> Row {
        self.contestant(role, name, Box::new(move || measure() as f64))
    }

    /// Sets the maximum ratio to the first peer.
    pub(crate) fn at_most_of_peer(self, maximum: f64) -> Row {
        self.goal(Goal { relative_to: Role::Peer, maximum })
    }

    /// Sets the maximum ratio to the baseline.
    pub(crate) fn at_most_of_baseline(self, maximum: f64) -> Row {
        self.goal(Goal { relative_to: Role::Baseline, maximum })
    }

    /// Adds the figures to a line chart.
    pub(crate) fn growth(self, chart: &str, at: usize) -> Row {
        Row { growth: Some(Growth { chart: chart.to_owned(), at: at as f64 }), ..self }
    }

    /// Adds the ratios to the table of the README, under this name.
    pub(crate) fn in_readme(self, name: &'static str) -> Row {
        Row { in_readme: Some(name), ..self }
    }

    /// Returns the contestant that others are compared with.
    pub(crate) fn first(&self, role: Role) -> Option<usize> {
        self.contestants.iter().position(|contestant| contestant.role == role)
    }

    /// Returns the contestant that the goals are for.
    pub(crate) fn last_of_ours(&self) -> Option<usize> {
        self.contestants.iter().rposition(|contestant| contestant.role == Role::Ours)
    }

    fn contestant(mut self, role: Role, name: &'static str, measure: Measure) -> Row {
        self.contestants.push(Contestant { name, role, measure });
        self
    }

    fn goal(mut self, goal: Goal) -> Row {
        self.goals.push(goal);
        self
    }
}

/// A measure of the time of one operation.
pub(crate) trait Time: Fn() -> Duration + 'static {}

impl<F: Fn() -> Duration + 'static> Time for F {}

fn nanoseconds(measure: impl Time) -> Measure {
    Box::new(move || measure().as_nanos() as f64)
}
