//! The progress of a receiving side.

use tokio::time::Instant;

/// The source of the next frame; see [`ReadState`](super::read_state::ReadState).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    Ended,
    Over,
}

/// The state of a receiving side, without the bytes and descriptors that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadProgress {
    pub(crate) phase: Phase,
    /// Number of bytes of the incomplete frame that its decoder has removed.
    pub(crate) taken: u64,
    /// Number of descriptors that no frame claimed and that were closed.
    pub(crate) closed: u64,
    /// Time at which the wait for the incomplete frame began.
    pub(crate) waited: Option<Instant>,
}
