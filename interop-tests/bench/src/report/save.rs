//! The charts and tables in docs/benchmarks and in the README.

use std::fmt::Write;
use std::fs;

use super::text::ratio;
use super::{Report, chart, root};
use crate::row::Role;

const HEADING: &str = "## Performance\n";

/// Writes docs/benchmarks, and the section of the README.
pub(crate) fn save(report: &Report) {
    let directory = root().join("docs/benchmarks");
    fs::create_dir_all(&directory).expect("a directory in docs");
    report.write_page(&directory, "README.md");
    chart::draw_for_readme(report, &directory.join("readme.svg"));

    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    fs::write(&path, with_section(&readme, &section(report))).expect("the README");
    println!("wrote docs/benchmarks and the section Performance of README.md");
}

/// Replaces the section.
fn with_section(readme: &str, section: &str) -> String {
    let (before, rest) = readme.split_once(HEADING).expect("a section");
    let after = rest.find("\n## ").map_or("", |at| &rest[at + 1..]);
    format!("{before}{HEADING}\n{section}\n{after}")
}

fn section(report: &Report) -> String {
    let mut section = "\
        ![Time of anchovy divided by that of others](docs/benchmarks/readme.svg)\n\n\
        The ratios are anchovy's time divided by that of the other crate, and by that of a baseline: hand-written\n\
        system calls for the same work. Below 1, anchovy is faster.\n\n\
        | Work | Other crate | Ratio | Of baseline |\n|---|---|---|---|\n"
        .to_owned();
    for row in &report.rows {
        let (Some(work), Some(peer)) = (&row.in_readme, row.first(Role::Peer)) else { continue };
        let ours = row.ours();
        let [of_peer, of_baseline] = [ours.of_peer, ours.of_baseline].map(ratio);
        writeln!(section, "| {work} | {} | {of_peer} | {of_baseline} |", peer.name)
            .expect("memory");
    }
    section.push_str(
        "\n`cargo xtask bench` measures this on your machine. [All benchmarks](docs/benchmarks/README.md)\n\
         have their figures, the machine, and charts by message size, number of descriptors and connections.\n",
    );
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_is_replaced() {
        let readme = "# a\n\n## Performance\n\nold\n\n## Security\n\nkept\n";
        let new = "# a\n\n## Performance\n\nnew\n\n## Security\n\nkept\n";
        assert_eq!(with_section(readme, "new\n"), new);
        assert_eq!(with_section(new, "new\n"), new);
    }
}
