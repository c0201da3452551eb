//! Scenarios, each of which runs one real program and code of this workspace in a separate
//! process.
//!
//! `cargo xtask interop` starts the scenario program once for each scenario, in its own temporary
//! directory, so that a scenario that aborts affects nothing else. This module runs a scenario
//! under the guard of all tests (one at a time, with a watchdog and a count of descriptors) and
//! returns its transcript.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::guarded;

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// A sentence with underscores instead of blanks.
    pub name: &'static str,
    /// Runs the scenario, and adds lines to the transcript.
    pub run: fn(&Transcript),
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Scenario {
    /// Creates a scenario for the list of its peer.
    pub const fn new(name: &'static str, run: fn(&Transcript)) -> Scenario {
        Scenario { name, run }
    }

    /// Runs the scenario under the guard, and returns its transcript.
    ///
    /// # Panics
    ///
    /// Panics if the scenario panics or leaks a descriptor.
    pub fn run_alone(&self) -> String {
        let scenario = *self;
        // The watchdog names a test by the name of its thread.
        let thread = thread::Builder::new().name(self.name.to_owned());
        let work = move || {
            let transcript = Transcript::default();
            guarded(|| (scenario.run)(&transcript));
            transcript.into_text()
        };
        match thread.spawn(work).expect("a thread").join() {
            Ok(text) => text,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The traffic of a scenario, line by line, in the order of the calls of [`note`](Self::note).
#[derive(Debug, Default)]
pub struct Transcript(Mutex<String>);

impl Transcript {
    /// Adds a line. Values that differ between runs are redacted.
    pub fn note(&self, line: impl AsRef<str>) {
        let line = redacted(line.as_ref());
        // The log of a failed scenario begins with these lines.
        println!("{line}");
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&line);
        text.push('\n');
    }

    fn into_text(self) -> String {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Redacts values that differ between runs or machines: unique names, guids, and the uid in a
/// handshake.
pub fn redacted(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(redacted_word).collect();
    let text = words.join(" ");
    match text.split_once("AUTH EXTERNAL ") {
        Some((before, uid)) if !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("{before}AUTH EXTERNAL <uid>")
        }
        _ => text,
    }
}

fn redacted_word(word: &str) -> String {
    let unique =
        word.strip_prefix(":1.").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    if let Some(rest) = unique {
        return format!("<name>{rest}");
    }
    if word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return "<guid>".to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_between_runs_are_redacted() {
        assert_eq!(redacted("> to :1.42: Take"), "> to <name>: Take");
        assert_eq!(redacted("OK 0123456789abcdef0123456789abcdef"), "OK <guid>");
        assert_eq!(redacted("> AUTH EXTERNAL 31303030"), "> AUTH EXTERNAL <uid>");
        assert_eq!(redacted("AUTH EXTERNAL"), "AUTH EXTERNAL");
        assert_eq!(redacted("a word of 32 letters"), "a word of 32 letters");
    }

    #[test]
    fn a_scenario_runs_on_a_named_thread_and_returns_its_transcript() {
        fn names_its_thread(transcript: &Transcript) {
            transcript.note(thread::current().name().unwrap());
        }
        let scenario = Scenario::new("names_its_thread", names_its_thread);
        assert_eq!(scenario.run_alone(), "names_its_thread\n");
    }

    #[test]
    #[should_panic(expected = "as a failing scenario does")]
    fn a_panic_of_a_scenario_is_propagated() {
        Scenario::new("fails", |_| panic!("as a failing scenario does")).run_alone();
    }
}
