//! The deadlines for the rest of a frame.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use super::inbound::Inbound;
use super::policy::ReadPolicy;
use super::receive_error::ReceiveError;

/// The time at which the wait for a frame began, and the timer.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Position in the stream of the incomplete frame, and the time at which a read first waited for it.
    waited: Option<(u64, Instant)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    /// Creates deadlines for a frame at the start of the stream whose wait began at this time.
    pub(super) fn since(waited: Option<Instant>) -> Deadlines {
        Deadlines { waited: waited.map(|since| (0, since)), sleep: None }
    }

    /// Returns the time at which the wait for the incomplete frame began, if there is one.
    pub(super) fn waited(&self, inbound: &Inbound) -> Option<Instant> {
        let (start, since) = self.waited?;
        (inbound.incomplete_frame() == Some(start)).then_some(since)
    }

    /// Checks that no deadline has passed, and wakes the task when one passes. The caller has found that
    /// nothing more has arrived.
    #[inline]
    pub(super) fn poll<E>(
        &mut self,
        inbound: &Inbound,
        policy: &ReadPolicy,
        cx: &mut Context<'_>,
    ) -> Result<(), ReceiveError<E>> {
        if policy.fd_timeout.is_none() && policy.frame_timeout.is_none() {
            return Ok(());
        }
        self.poll_timers(inbound, policy, cx)
    }

    fn poll_timers<E>(
        &mut self,
        inbound: &Inbound,
        policy: &ReadPolicy,
        cx: &mut Context<'_>,
    ) -> Result<(), ReceiveError<E>> {
        let of_fds = policy.fd_timeout.and_then(|timeout| inbound.deadline(timeout));
        let of_frame = policy.frame_timeout.and_then(|timeout| {
            let start = inbound.incomplete_frame()?;
            let since = self.waited(inbound).unwrap_or_else(Instant::now);
            self.waited = Some((start, since));
            since.checked_add(timeout)
        });
        let Some(deadline) = of_fds.into_iter().chain(of_frame).min() else {
            // The next incomplete frame uses the timer again, so one that still runs is kept.
            self.sleep.take_if(|sleep| sleep.is_elapsed());
            return Ok(());
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        match sleep.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) if of_fds == Some(deadline) => {
                Err(ReceiveError::FdsOverdue { waiting: inbound.waiting() })
            }
            Poll::Ready(()) => Err(ReceiveError::FrameOverdue { bytes: inbound.frame_bytes() }),
        }
    }
}
