//! The statistics that libFuzzer prints.

/// Executions and coverage of a run. A run that ends with a finding prints no number of executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    pub(super) executions: u64,
    /// Number of covered edges.
    pub(super) coverage: u64,
}

impl Statistics {
    /// Adds what a line says.
    pub(super) fn add(&mut self, line: &str) {
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or(self.executions);
        } else if let Some(rest) = line.strip_prefix('#') {
            // `#4096 pulse cov: 512 ft: 900 …`
            let mut words = rest.split_whitespace();
            let executions = words.next().and_then(|count| count.parse().ok());
            self.executions = executions.unwrap_or(self.executions);
            let coverage = words.skip_while(|word| *word != "cov:").nth(1);
            let coverage = coverage.and_then(|count| count.parse().ok());
            self.coverage = coverage.unwrap_or(self.coverage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_and_coverage_are_read_from_the_lines_of_libfuzzer() {
        let mut statistics = Statistics::default();
        for line in [
            "INFO: seed corpus: files: 51 min: 90b",
            "#4096\tpulse  cov: 512 ft: 900 corp: 88/9Kb lim: 1024 exec/s: 2048 rss: 90Mb",
            "#8192\tREDUCE cov: 520 ft: 930 corp: 90/9Kb lim: 1024 exec/s: 2048 rss: 90Mb",
        ] {
            statistics.add(line);
        }
        assert_eq!(statistics, Statistics { executions: 8192, coverage: 520 });
        statistics.add("stat::number_of_executed_units: 9000");
        assert_eq!(statistics, Statistics { executions: 9000, coverage: 520 });
    }

    #[test]
    fn other_lines_change_nothing() {
        let mut statistics = Statistics { executions: 7, coverage: 3 };
        for line in ["", "#", "# no number", "stat::number_of_executed_units: many", "cov: 9"] {
            statistics.add(line);
        }
        assert_eq!(statistics, Statistics { executions: 7, coverage: 3 });
    }
}
