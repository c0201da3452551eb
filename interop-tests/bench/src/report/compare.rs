//! What got faster or slower since another run.

use super::{Figures, Measured, Report};
use crate::row::Role;

/// Returns one line for each benchmark whose ratio differs by more than the spreads, and a summary.
///
/// Ratios are compared, so the reports may come from machines of different speed.
pub(crate) fn compare(old: &Report, new: &Report) -> String {
    let (mut lines, mut unchanged) = (Vec::new(), 0);
    for row in &new.rows {
        let Some(before) = old.rows.iter().find(|before| before.work == row.work) else {
            lines.push(format!("new:    {}", row.work));
            continue;
        };
        let (Some(then), Some(now)) = (ratio(before), ratio(row)) else { continue };
        let change = now.ratio / then.ratio - 1.0;
        let bound = then.uncertainty + now.uncertainty;
        if change.abs() <= bound {
            unchanged += 1;
            continue;
        }
        let verdict = if change > 0.0 { "slower:" } else { "faster:" };
        lines.push(format!(
            "{verdict} {}: {:.3} of {}, before {:.3} ({:+.1} %, the spreads explain {:.1} %)",
            row.work,
            now.ratio,
            now.relative_to,
            then.ratio,
            change * 100.0,
            bound * 100.0
        ));
    }
    lines.push(format!("{unchanged} benchmarks differ by no more than their spreads"));
    lines.join("\n")
}

/// The ratio of ours to the baseline, or to the first peer.
struct Ratio<'a> {
    ratio: f64,
    relative_to: &'a str,
    /// Half of the spread of each figure, relative to it.
    uncertainty: f64,
}

fn ratio(row: &Measured) -> Option<Ratio<'_>> {
    let (ours, other) = (row.ours(), row.first(Role::Baseline).or(row.first(Role::Peer))?);
    let relative = |figures: &Figures| figures.spread / 2.0 / figures.median;
    Some(Ratio {
        ratio: ours.median / other.median,
        relative_to: &other.name,
        uncertainty: relative(ours) + relative(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ours: f64, spread: f64) -> Report {
        let figures = |role, median| Figures {
            name: format!("{role:?}"),
            role,
            median,
            spread,
            of_peer: None,
            of_baseline: None,
        };
        let row = Measured {
            work: "ping-pong".to_owned(),
            unit: "ns".to_owned(),
            contestants: vec![figures(Role::Baseline, 100.0), figures(Role::Ours, ours)],
            goals: Vec::new(),
            growth: None,
            in_readme: None,
        };
        Report {
            versions: Default::default(),
            kernel: String::new(),
            cpu: String::new(),
            rounds: 1,
            rows: vec![row],
        }
    }

    #[test]
    fn a_change_beyond_the_spreads_is_reported() {
        let slower = compare(&report(100.0, 1.0), &report(110.0, 1.0));
        assert!(
            slower.starts_with("slower: ping-pong: 1.100 of Baseline, before 1.000"),
            "{slower}"
        );
        let faster = compare(&report(110.0, 1.0), &report(100.0, 1.0));
        assert!(faster.starts_with("faster: "), "{faster}");
    }

    #[test]
    fn a_change_within_the_spreads_is_not_reported() {
        let text = compare(&report(100.0, 10.0), &report(110.0, 10.0));
        assert_eq!(text, "1 benchmarks differ by no more than their spreads");
    }
}
