//! Numbers by name, and their comparison.

use std::collections::{BTreeMap, BTreeSet};

/// Instructions may differ by this part, in thousandths. They depend on the contents of hash tables and
/// on the C library.
const TOLERANCE: u64 = 30;

/// Number of operations that are counted together. Some costs occur once in several operations.
pub(crate) const ROUNDS: u32 = 100;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The numbers, by `operation: measure`.
    pub(crate) numbers: BTreeMap<String, u64>,
    /// What was not counted, with the reason.
    pub(crate) skipped: Vec<String>,
    /// The measures that were not counted: the ends of the names of their numbers begin with these.
    pub(crate) skipped_measures: Vec<&'static str>,
}

impl Counts {
    pub(crate) fn add(&mut self, operation: &str, measure: &str, number: u64) {
        self.numbers.insert(format!("{operation}: {measure}"), number);
    }

    /// Leaves out a measure, and says why.
    pub(crate) fn skip(&mut self, measure: &'static str, reason: &str) {
        self.skipped.push(format!("{measure}: {reason}"));
        self.skipped_measures.push(measure);
    }

    /// Returns whether this number belongs to a measure that was not counted.
    pub(crate) fn is_skipped(&self, name: &str) -> bool {
        let (_, measure) = name.split_once(": ").unwrap_or(("", name));
        self.skipped_measures.iter().any(|skipped| measure.starts_with(skipped))
    }

    /// Returns a line for each number that differs from the expected one.
    pub(crate) fn differences(&self, expected: &BTreeMap<String, u64>) -> Vec<String> {
        let names: BTreeSet<&String> = self.numbers.keys().chain(expected.keys()).collect();
        let differs = |name: &&String| {
            let (counted, expected) = (self.numbers.get(*name), expected.get(*name));
            let (Some(&counted), Some(&expected)) = (counted, expected) else {
                return counted.is_some() || !self.is_skipped(name);
            };
            counted.abs_diff(expected) * 1000 > expected * tolerance(name)
        };
        let text = |number: Option<&u64>| number.map_or("nothing".to_owned(), u64::to_string);
        names
            .into_iter()
            .filter(differs)
            .map(|name| {
                let (counted, expected) = (self.numbers.get(name), expected.get(name));
                format!("{name}: counted {}, expected {}", text(counted), text(expected))
            })
            .collect()
    }
}

fn tolerance(name: &str) -> u64 {
    match name {
        // On a loaded machine, the runtime polls for clients more often: 8 percent more.
        "accept a connection: instructions" => 2 * TOLERANCE,
        _ if name.ends_with(": instructions") => TOLERANCE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(counted: &[(&str, u64)], expected: &[(&str, u64)]) -> Vec<String> {
        let table = |numbers: &[(&str, u64)]| {
            numbers.iter().map(|(name, number)| (name.to_string(), *number)).collect()
        };
        let counts = Counts { numbers: table(counted), ..Counts::default() };
        counts.differences(&table(expected))
    }

    #[test]
    fn one_more_call_is_a_difference() {
        let found = differences(&[("send: recvmsg", 101)], &[("send: recvmsg", 100)]);
        assert_eq!(found, ["send: recvmsg: counted 101, expected 100"]);
    }

    #[test]
    fn a_call_that_was_not_expected_is_a_difference() {
        let found = differences(&[("send: poll", 1)], &[]);
        assert_eq!(found, ["send: poll: counted 1, expected nothing"]);
    }

    #[test]
    fn a_call_that_is_no_longer_made_is_a_difference() {
        let found = differences(&[], &[("send: poll", 1)]);
        assert_eq!(found, ["send: poll: counted nothing, expected 1"]);
    }

    #[test]
    fn instructions_may_differ_by_three_percent() {
        let name = "send: instructions";
        for counted in [970, 1000, 1030] {
            assert_eq!(differences(&[(name, counted)], &[(name, 1000)]), [""; 0]);
        }
        for counted in [969, 1031] {
            assert_eq!(differences(&[(name, counted)], &[(name, 1000)]).len(), 1);
        }
    }

    #[test]
    fn a_skipped_measure_is_no_difference() {
        let mut counts = Counts::default();
        let expected = BTreeMap::from([("send: instructions".to_owned(), 1000)]);
        assert_eq!(counts.differences(&expected).len(), 1);
        counts.skip("instructions", "no valgrind");
        assert_eq!(counts.differences(&expected).len(), 0);
    }
}
