//! The steps of `cargo xtask ci`, with the time that each one took.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps that have passed, with the time that each one took.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    passed: Vec<(String, Duration)>,
}

impl Steps {
    /// Prints the name of a step and runs it. An error names the step.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("\n=== {name} ===");
        let start = Instant::now();
        work().with_context(|| format!("step `{name}` failed"))?;
        self.passed.push((name.to_owned(), start.elapsed()));
        Ok(())
    }

    /// Returns the number of steps that have passed.
    pub(crate) fn count(&self) -> usize {
        self.passed.len()
    }

    /// Returns a table with the seconds of each step.
    pub(crate) fn table(&self) -> String {
        let heading = "step";
        let names = self.passed.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0).max(heading.len());
        let mut table = format!("{heading:<width$}  seconds\n");
        for (name, time) in &self.passed {
            table += &format!("{name:<width$}  {:>7.1}\n", time.as_secs_f64());
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_step_that_fails_is_named_on_one_line_with_its_cause() {
        let error = Steps::default().step("format", || bail!("two files differ")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `format` failed: two files differ");
    }

    #[test]
    fn only_steps_that_passed_are_counted_and_shown() {
        let mut steps = Steps::default();
        steps.step("sound", || Ok(())).unwrap();
        steps.step("broken", || bail!("no")).unwrap_err();
        assert_eq!(steps.count(), 1);
        assert!(steps.table().contains("sound") && !steps.table().contains("broken"));
    }
}
