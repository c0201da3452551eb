//! Running a scenario for each seed.

use std::array;
use std::future::Future;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use interop_tests::descriptors;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::{Faults, Kinds, Rng};

/// Number of seeds of each scenario, unless the environment variable `ANCHOVY_SEEDS` says another.
const SEEDS: u64 = 1000;

/// Much longer than a seed takes on a busy machine. A seed that waits longer has missed a wakeup.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Descriptors are counted per process, so one scenario runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a scenario once for each seed, and checks that no descriptor is left open and that faults of
/// each kind have occurred.
///
/// # Panics
///
/// Panics if a seed fails, and prints its number and its last system calls.
pub fn run<F: Future<Output = ()>>(kinds: Kinds, scenario: impl Fn(Rng, Rc<Faults>) -> F) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let start = Instant::now();
    let seeds = seeds();
    let mut occurred = [false; 5];
    for seed in seeds.clone() {
        let kinds = run_seed(&runtime, seed, kinds, &scenario);
        occurred = array::from_fn(|kind| occurred[kind] || kinds[kind]);
    }
    let (count, seconds) = (seeds.end - seeds.start, start.elapsed().as_secs_f64());
    assert!(count < SEEDS || occurred == kinds.occurring(), "faults of each kind: {occurred:?}");
    println!("{count} seeds in {seconds:.1} s, {:.0} a second", count as f64 / seconds);
}

fn run_seed<F: Future<Output = ()>>(
    runtime: &Runtime,
    seed: u64,
    kinds: Kinds,
    scenario: &impl Fn(Rng, Rc<Faults>) -> F,
) -> [bool; 5] {
    let _report = Report { seed };
    let mut rng = Rng::new(seed);
    let before = descriptors();
    // Kept, so that it is dropped, and prints the system calls, after the assertions.
    let faults = Rc::new(Faults::inject(&mut rng, kinds));
    let scenario = async { timeout(TIMEOUT, scenario(rng, faults.clone())).await };
    assert!(runtime.block_on(scenario).is_ok(), "it waits without end");
    assert_eq!(before, descriptors(), "descriptors before and after the seed");
    faults.occurred()
}

/// Returns the seeds to run: one, if the environment variable `ANCHOVY_SEED` names it.
fn seeds() -> Range<u64> {
    if let Some(seed) = variable("ANCHOVY_SEED") {
        return seed..seed + 1;
    }
    0..variable("ANCHOVY_SEEDS").unwrap_or(SEEDS)
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// Prints the seed if it fails.
struct Report {
    seed: u64,
}

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            let test = thread::current().name().unwrap_or_default().to_owned();
            eprintln!(
                "failed with seed {}: cargo xtask faults {test} --seed {}",
                self.seed, self.seed
            );
        }
    }
}
