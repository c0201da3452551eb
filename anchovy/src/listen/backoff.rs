//! Waiting while there is no room for another client.
//!
//! If the descriptor table is full, the client stays in the backlog and the socket stays readable.
//! A loop that only waits for readiness would spin until a descriptor is free.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::{Instant, Sleep, sleep};

/// The first delay. Each further delay is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The reaction to an error of accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterError {
    /// The client has disconnected, or the call was interrupted: accept the next one.
    GoOn,
    /// There is no room for a client at the moment: wait and try again.
    Wait,
    /// The error is permanent.
    Fail,
}

impl AfterError {
    pub(super) fn from_io_error(error: &io::Error) -> AfterError {
        match Errno::from_io_error(error) {
            Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => AfterError::GoOn,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => AfterError::Wait,
            _ => AfterError::Fail,
        }
    }
}

/// The delays of one sequence of attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    sleep: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Backoff {
    /// Creates the timer. Panics on a runtime without timers.
    pub(super) fn new() -> Backoff {
        Backoff { next: FIRST_WAIT, sleep: Box::pin(sleep(FIRST_WAIT)), waiting: false }
    }

    /// Starts a wait.
    pub(super) fn start(&mut self) {
        self.sleep.as_mut().reset(Instant::now() + self.next);
        self.next = LONGEST_WAIT.min(self.next * 2);
        self.waiting = true;
    }

    /// Waits until the current delay is over, if there is one.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting {
            ready!(self.sleep.as_mut().poll(cx));
            self.waiting = false;
        }
        Poll::Ready(())
    }

    /// Resets the delay to the shortest one after a client was accepted.
    pub(super) fn reset(&mut self) {
        self.next = FIRST_WAIT;
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_errors_of_accept_are_distinguished_from_permanent_ones() {
        for (errno, expected) in [
            (libc::ECONNABORTED, AfterError::GoOn),
            (libc::EINTR, AfterError::GoOn),
            (libc::EPROTO, AfterError::GoOn),
            (libc::EMFILE, AfterError::Wait),
            (libc::ENFILE, AfterError::Wait),
            (libc::ENOBUFS, AfterError::Wait),
            (libc::ENOMEM, AfterError::Wait),
            (libc::EINVAL, AfterError::Fail),
            (libc::EBADF, AfterError::Fail),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(AfterError::from_io_error(&error), expected, "{error}");
        }
        let other = io::Error::other("not of the system");
        assert_eq!(AfterError::from_io_error(&other), AfterError::Fail);
    }

    #[tokio::test(start_paused = true)]
    async fn delays_double_from_5_ms_to_a_second_and_reset_after_a_client() {
        let mut backoff = Backoff::new();
        let wait = async |backoff: &mut Backoff| {
            let start = Instant::now();
            backoff.start();
            std::future::poll_fn(|cx| backoff.poll_wait(cx)).await;
            start.elapsed().as_millis()
        };
        for expected in [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            assert_eq!(wait(&mut backoff).await, expected);
        }
        backoff.reset();
        assert_eq!(wait(&mut backoff).await, 5);
    }
}
