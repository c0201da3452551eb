//! How far a receiving side has come.

use tokio::time::Instant;

/// Where the next frame comes from; see [`ReadState`](super::read_state::ReadState).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    Ended,
    Over,
}

/// What a receiving side knows beside the bytes and descriptors that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadProgress {
    pub(crate) phase: Phase,
    /// Bytes of the frame that is incomplete which its decoder has taken already.
    pub(crate) taken: u64,
    /// Descriptors that nothing claimed, and that were closed.
    pub(crate) closed: u64,
    /// Since when the frame is waited for that is incomplete.
    pub(crate) waited: Option<Instant>,
}
