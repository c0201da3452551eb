//! A scenario: what one real program and we do together, alone in a process of its own.
//!
//! `cargo xtask interop` starts the scenario program once for each of them, with a temporary
//! directory of its own, so that a scenario that aborts takes nothing else with it. Here is what
//! such a process does: it finds the scenario, runs it under the guard of every test (one at a time,
//! a watchdog with its name, no descriptor left behind), and hands out what was said.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::guarded;

/// What one real program and we do together.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// A sentence, with underscores for blanks.
    pub name: &'static str,
    /// Does it, and notes what is said.
    pub run: fn(&Transcript),
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Scenario {
    /// A scenario, for the list of its peer.
    pub const fn new(name: &'static str, run: fn(&Transcript)) -> Scenario {
        Scenario { name, run }
    }

    /// Runs the scenario under guard, and returns its transcript.
    ///
    /// # Panics
    ///
    /// If the scenario does, or leaves a descriptor behind.
    pub fn run_alone(&self) -> String {
        let scenario = *self;
        // The watchdog calls a test by the name of its thread.
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

/// What the two ends of a scenario said, line by line, in the order in which it was noted.
#[derive(Debug, Default)]
pub struct Transcript(Mutex<String>);

impl Transcript {
    /// Notes a line. What differs from run to run is redacted.
    pub fn note(&self, line: impl AsRef<str>) {
        let line = redacted(line.as_ref());
        // It is what a log begins with, if the scenario fails.
        println!("{line}");
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&line);
        text.push('\n');
    }

    fn into_text(self) -> String {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text without what differs from run to run, or from machine to machine: unique names, guids,
/// and the number of the user in a handshake.
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
