//! An operation that is counted, and its repetition.

use tokio::runtime::Runtime;

use crate::compare::ROUNDS;

/// Runs an operation this many times.
pub(crate) type Rounds = Box<dyn FnMut(u32)>;

pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Creates what the operation needs, such as a pair of streams.
    prepare: fn() -> Rounds,
    /// Whether it requires `SO_PASSRIGHTS`, which older kernels do not have.
    pub(crate) needs_newer_kernel: bool,
}

impl Operation {
    pub(crate) const fn new(name: &'static str, prepare: fn() -> Rounds) -> Operation {
        Operation { name, prepare, needs_newer_kernel: false }
    }

    pub(crate) const fn needs_newer_kernel(self) -> Operation {
        Operation { needs_newer_kernel: true, ..self }
    }

    /// Prepares the operation and runs it until buffers and tables have their size.
    pub(crate) fn warmed_up(&self) -> Rounds {
        let mut rounds = (self.prepare)();
        for _ in 0..3 {
            rounds(ROUNDS);
        }
        rounds
    }
}

/// Repeats a round on a runtime.
pub(crate) fn repeat(runtime: Runtime, mut round: impl AsyncFnMut() + 'static) -> Rounds {
    Box::new(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                round().await;
            }
        });
    })
}
