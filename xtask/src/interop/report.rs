//! The table of results, which is readable in a terminal and as rendered Markdown.

use super::scenarios::Outcome;

/// Returns a table with a row for each scenario, and a summary after it.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let heading = ["peer", "version", "scenario", "result", "seconds"].map(str::to_owned);
    let mut rows = vec![heading];
    rows.extend(outcomes.iter().map(|outcome| {
        let result = match &outcome.failure {
            None => "ok".to_owned(),
            Some(failure) => format!("FAILED: {}", failure.replace('|', "/")),
        };
        let seconds = format!("{:.2}", outcome.time.as_secs_f64());
        [outcome.peer.clone(), outcome.version.clone(), outcome.scenario.clone(), result, seconds]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2, 3, 4].map(|column| width(column).unwrap_or(0));

    let mut table = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        table += &format!("|{}\n", cells.collect::<String>());
        if number == 0 {
            let rules = widths.map(|width| format!("{:-<1$}|", "", width + 2));
            table += &format!("|{}\n", rules.concat());
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut peers: Vec<_> = outcomes.iter().map(|outcome| &outcome.peer).collect();
    peers.dedup();
    let verdict = match failed {
        0 => "all passed".to_owned(),
        failed => format!("{failed} failed"),
    };
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.time.as_secs_f64()).sum();
    table += &format!(
        "\n{} with {} in {seconds:.1} s: {verdict}\n",
        counted(outcomes.len(), "scenario"),
        counted(peers.len(), "peer")
    );
    table
}

/// Returns a number and a noun in the singular or plural.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcome(failure: Option<&str>) -> Outcome {
        Outcome {
            peer: "busd".to_owned(),
            version: "0.6.1".to_owned(),
            scenario: "a call crosses it".to_owned(),
            time: Duration::from_millis(1234),
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn every_outcome_has_a_row_and_failures_are_counted() {
        let table = table(&[outcome(None), outcome(Some("a|b"))]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[2], "| busd | 0.6.1   | a call crosses it | ok          | 1.23    |");
        assert_eq!(lines[3], "| busd | 0.6.1   | a call crosses it | FAILED: a/b | 1.23    |");
        assert_eq!(lines[5], "2 scenarios with 1 peer in 2.5 s: 1 failed");
    }
}
