//! Rounds until the time is over, and what must be as before then.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use interop_tests::{Directory, Rng, descriptors};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::connection::{canceled, exchange_messages};
use crate::dbus::Dbus;
use crate::defect;
use crate::exchange::Exchange;
use crate::memory::{allocated, resident};
use crate::protocol::Protocol;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::wayland::Wayland;

/// Number of rounds after which tokio and the allocator have what they keep.
const FIRST_ROUNDS: u64 = 40;

/// Number of rounds at the same time.
const CONCURRENT: usize = 3;

/// The most that may be allocated at the end beyond what was after the first rounds: tokio's tables grow
/// with the number of timers and tasks that happen to exist at the same time.
const MOST_ALLOCATED: usize = 32 << 10;

/// The same for memory of the system, which the allocator returns in large pieces.
const MOST_RESIDENT: usize = 16 << 20;

/// What a process holds between rounds.
struct Held {
    descriptors: BTreeMap<i32, String>,
    allocated: usize,
    resident: usize,
}

impl Held {
    fn now() -> Result<Held> {
        let (allocated, resident) = (allocated(), resident()?);
        Ok(Held { descriptors: descriptors(), allocated, resident })
    }
}

pub(crate) fn run(time: Duration, seed: u64) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("seed {seed}");
    runtime.block_on(soak(time, Rng::new(seed))).with_context(|| format!("soak with seed {seed}"))
}

async fn soak(time: Duration, mut rng: Rng) -> Result<()> {
    let directory = Arc::new(Directory::new());
    let tally = Arc::new(Tally::default());
    let mut line = Line::new(time);
    for number in 0..FIRST_ROUNDS {
        rounds(&mut rng, number, &directory, &tally).await?;
    }
    let before = Held::now()?;
    defect::plant();
    let start = Instant::now();
    let mut number = FIRST_ROUNDS;
    while start.elapsed() < time {
        rounds(&mut rng, number, &directory, &tally).await?;
        number += 1;
        line.show(start.elapsed(), &tally);
    }
    let after = Held::now()?;
    line.clear();

    println!("{number} rounds of {CONCURRENT}: {tally}");
    println!(
        "descriptors {} before and {} after; bytes allocated {} before and {} after; resident {} KiB \
         before and {} KiB after",
        before.descriptors.len(),
        after.descriptors.len(),
        before.allocated,
        after.allocated,
        before.resident >> 10,
        after.resident >> 10,
    );
    compare(&before, &after, &tally)?;
    println!("soak: nothing was lost, and nothing is left");
    Ok(())
}

fn compare(before: &Held, after: &Held, tally: &Tally) -> Result<()> {
    let (sent, returned, ended) = (tally.sent.get(), tally.returned.get(), tally.ended.get());
    ensure!(sent == returned + ended, "{sent} descriptors were sent, {returned} + {ended} ended");
    ensure!(sent == tally.closed.get(), "{sent} descriptors were sent, others were closed");
    if before.descriptors != after.descriptors {
        let left = after.descriptors.iter().filter(|(fd, _)| !before.descriptors.contains_key(fd));
        bail!("descriptors are left open: {:?}", left.collect::<Vec<_>>());
    }
    let grown = after.allocated.saturating_sub(before.allocated);
    ensure!(grown <= MOST_ALLOCATED, "{grown} bytes more are allocated, at most {MOST_ALLOCATED}");
    let grown = after.resident.saturating_sub(before.resident);
    ensure!(grown <= MOST_RESIDENT, "{grown} bytes more are resident, at most {MOST_RESIDENT}");
    Ok(())
}

/// Runs several rounds at the same time, with different protocols.
async fn rounds(
    rng: &mut Rng,
    number: u64,
    directory: &Arc<Directory>,
    tally: &Arc<Tally>,
) -> Result<()> {
    let mut set = JoinSet::new();
    for part in 0..CONCURRENT {
        let (mut rng, directory, tally) = (rng.fork(), Arc::clone(directory), Arc::clone(tally));
        set.spawn(async move {
            let name = format!("{number}-{part}");
            match rng.below(4) {
                0 => round::<Stream>(rng, &name, &directory, &tally).await,
                1 => round::<Exchange>(rng, &name, &directory, &tally).await,
                2 => round::<Dbus>(rng, &name, &directory, &tally).await,
                _ => round::<Wayland>(rng, &name, &directory, &tally).await,
            }
        });
    }
    while let Some(outcome) = set.join_next().await {
        outcome??;
    }
    Ok(())
}

/// Opens a listener, and connects to it several times.
async fn round<P: Protocol>(
    mut rng: Rng,
    name: &str,
    directory: &Directory,
    tally: &Arc<Tally>,
) -> Result<()> {
    let path = directory.join(name);
    let listener = P::bind(&path)?;
    tally.listeners.add(1);
    for _ in 0..rng.within(1..4) {
        exchange_messages::<P>(&mut rng, (&listener, &path), tally)
            .await
            .with_context(|| format!("{} in round {name}", P::NAME))?;
    }
    // Last, because a client that was canceled may be the next one that the listener accepts.
    if rng.percent(40) {
        canceled::<P>(&mut rng, (&listener, &path), tally).await;
    }
    Ok(())
}

/// The line that a terminal shows while the test runs.
struct Line {
    is_shown: bool,
    time: Duration,
    next: Duration,
}

impl Line {
    fn new(time: Duration) -> Line {
        Line { is_shown: std::io::stderr().is_terminal(), time, next: Duration::ZERO }
    }

    fn show(&mut self, elapsed: Duration, tally: &Tally) {
        if self.is_shown && elapsed >= self.next {
            self.next = elapsed + Duration::from_secs(1);
            let (elapsed, time) = (elapsed.as_secs(), self.time.as_secs());
            eprint!("\r\x1b[K{elapsed} of {time} s: {tally}");
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
