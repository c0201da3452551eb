//! The report as text and as a page.

use std::fmt::Write;

use super::{Measured, Outcome, Report};

/// Returns a benchmark as it is printed.
pub(crate) fn printed(row: &Measured) -> String {
    let mut text = format!("{} ({})\n", row.work, row.unit);
    let mut line = |name: &str, [median, spread, of_peer, of_baseline]: [&str; 4]| {
        writeln!(text, "  {name:<22} {median:>10} {spread:>8}   {of_peer:>8} {of_baseline:>11}")
            .expect("memory");
    };
    line("contestant", ["median", "spread", "of peer", "of baseline"]);
    for contestant in &row.contestants {
        let [median, spread] = [contestant.median, contestant.spread].map(|n| format!("{n:.0}"));
        let [of_peer, of_baseline] = [contestant.of_peer, contestant.of_baseline].map(ratio);
        line(&contestant.name, [&median, &spread, &of_peer, &of_baseline]);
    }
    for goal in &row.goals {
        writeln!(text, "  goal: {}", outcome(goal)).expect("memory");
    }
    text
}

/// Returns the page with all figures, in Markdown.
pub(super) fn page(report: &Report, charts: &[String]) -> String {
    let mut page = "# Benchmarks\n\n\
        Written by `cargo xtask bench`. Each figure is the median of its rounds, and the spread is the\n\
        distance between the quartiles. Ratios are those to the first peer and to the baseline: hand-written\n\
        system calls that do the same work. Below 1, the contestant is faster.\n\n"
        .to_owned();
    let versions: Vec<String> = report
        .versions
        .iter()
        .map(|(name, version)| match name.as_str() {
            // It prints its name.
            "rustc" => version.clone(),
            name => format!("{name} {version}"),
        })
        .collect();
    write!(
        page,
        "- Rounds: {}\n- Kernel: {}\n- Processor: {}\n- Versions: {}\n\n",
        report.rounds,
        report.kernel,
        report.cpu,
        versions.join(", ")
    )
    .expect("memory");
    for chart in charts {
        write!(page, "![{}]({chart})\n\n", chart.trim_end_matches(".svg").replace('-', " "))
            .expect("memory");
    }
    for row in &report.rows {
        write!(
            page,
            "## {}\n\nIn {}.\n\n\
             | Contestant | Median | Spread | Of peer | Of baseline |\n|---|--:|--:|--:|--:|\n",
            row.work, row.unit
        )
        .expect("memory");
        for contestant in &row.contestants {
            let [of_peer, of_baseline] = [contestant.of_peer, contestant.of_baseline].map(ratio);
            writeln!(
                page,
                "| {} | {:.0} | {:.0} | {of_peer} | {of_baseline} |",
                contestant.name, contestant.median, contestant.spread
            )
            .expect("memory");
        }
        page.push('\n');
        for goal in &row.goals {
            write!(page, "Goal: {}\n\n", outcome(goal)).expect("memory");
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn outcome(goal: &Outcome) -> String {
    let Outcome { relative_to, ratio, maximum, met } = goal;
    let verdict = if *met { "met" } else { "MISSED" };
    format!("{ratio:.3} of {relative_to}, at most {maximum:.3}: {verdict}")
}

/// Returns a ratio with as many digits as it is known to have.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"))
}
