//! Locks and atomics that several tasks use at the same time.
//!
//! `cargo xtask loom` runs the unit tests in the modules `models` with `--cfg anchovy_loom`. The types
//! of loom then take the place of those of std. They run each model once for each order in which its
//! threads can use them.

#[cfg(not(all(test, anchovy_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, anchovy_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

/// Runs a model once for each order of its operations, and prints the number of runs.
///
/// Threads are interrupted at most three times in a run, which limits the number of runs; the
/// environment variable `LOOM_MAX_PREEMPTIONS` sets another number. A model also fails if a thread
/// waits forever.
#[cfg(all(test, anchovy_loom))]
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let runs = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    let counter = Arc::clone(&runs);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    println!("{runs} runs");
    assert!(runs > 1, "the threads of the model share nothing");
}
