//! What a server counts about its clients, and says to the test when it is asked.
//!
//! Bounds on counts hold on every machine. Bounds on times depend on what else it does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::Process;

/// How connections have ended: the text of each error, and how often it occurred.
static ENDS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// The most messages that a connection has handled in one turn of its task.
static MOST_IN_A_TURN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IN_THIS_TURN: Cell<usize> = const { Cell::new(0) };
}

fn ends() -> MutexGuard<'static, BTreeMap<String, usize>> {
    ENDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts an error that has ended a connection or a handshake.
pub(crate) fn note_end(error: &impl Display) {
    *ends().entry(error.to_string()).or_default() += 1;
}

/// Counts a message that the task of this call handles.
pub(crate) fn note_message() {
    IN_THIS_TURN.set(IN_THIS_TURN.get() + 1);
}

/// Counts the messages that a future handles each time it is polled: until it is polled again, other
/// tasks run.
pub(crate) async fn counted(serving: impl Future<Output = ()>) {
    let mut serving = pin!(serving);
    poll_fn(|cx| {
        IN_THIS_TURN.set(0);
        let outcome = serving.as_mut().poll(cx);
        MOST_IN_A_TURN.fetch_max(IN_THIS_TURN.get(), Ordering::Relaxed);
        outcome
    })
    .await;
}

/// Returns the answer of a server to the test that asks for its counts.
pub(crate) fn summary() -> String {
    let ends = ends();
    let ends: Vec<_> = ends.iter().map(|(text, count)| format!("{count} times {text}")).collect();
    format!("{} {}", MOST_IN_A_TURN.load(Ordering::Relaxed), ends.join(", "))
}

/// What a server has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The most messages that a connection has handled in one turn of its task.
    pub(crate) most_in_a_turn: usize,
    /// How connections have ended.
    pub(crate) ends: String,
}

impl Tally {
    /// Asks a server for its counts.
    pub(crate) fn ask(server: &mut Process) -> Tally {
        let answer = server.ask("tally");
        let (most, ends) = answer.split_once(' ').expect("a number and the ends");
        Tally { most_in_a_turn: most.parse().expect("a number"), ends: ends.to_owned() }
    }
}
