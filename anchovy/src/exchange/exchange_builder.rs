//! Creating exchanges with limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::carrier;
use super::exchange_stream::ExchangeStream;
use super::handle::Exchange;
use super::nonce::Nonce;
use super::shared::{Limits, Shared};
use crate::error::fd_error::FdError;
use crate::receive::default_queue_limit;
use crate::stream::anchovy_stream::AnchovyStream;

/// Default maximum number of descriptors that are queued and not yet sent: 5 for each of the 200
/// requests that an HTTP/2 server of hyper accepts at once by default.
const MAX_QUEUED: usize = 1024;

/// Default time for which a descriptor waits to be taken, and for which a call waits for a descriptor.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Turns a stream into an exchange with the default limits.
///
/// The peer has to do the same with its end. If bytes were sent before, both sides must agree on where
/// they end: the exchange of the peer has to read from the first byte that this exchange writes, and
/// vice versa. To set limits, use [`Exchange::builder`].
///
/// # Errors
///
/// Returns the same errors as [`ExchangeBuilder::build`].
///
/// # Panics
///
/// Panics outside of a tokio runtime with I/O and time enabled.
pub fn new<const S: usize>(stream: AnchovyStream<S>) -> io::Result<(ExchangeStream<S>, Exchange)> {
    Exchange::builder().build(stream)
}

impl Exchange {
    /// Returns a builder that sets the limits of an exchange.
    pub fn builder() -> ExchangeBuilder {
        ExchangeBuilder { max_queued: MAX_QUEUED, max_unclaimed: None, timeout: TIMEOUT }
    }
}

/// A builder for an exchange; see [`Exchange::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use anchovy::UnixStream;
/// use anchovy::exchange::Exchange;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (stream, _peer) = UnixStream::pair()?;
/// let (stream, exchange) = Exchange::builder()
///     .max_unclaimed(16)
///     .timeout(Duration::from_secs(5))
///     .build(stream)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ExchangeBuilder {
    max_queued: usize,
    max_unclaimed: Option<usize>,
    timeout: Duration,
}

impl ExchangeBuilder {
    /// Sets the maximum number of descriptors that are queued and not yet sent. Default: 1,024.
    ///
    /// [`Exchange::send`] refuses more
    /// ([`SendErrorKind::TooManyQueued`](super::SendErrorKind::TooManyQueued)).
    pub fn max_queued(mut self, limit: usize) -> Self {
        self.max_queued = limit;
        self
    }

    /// Sets the maximum number of descriptors that have arrived and were not taken. Default: 1,024 +
    /// [`FD_LIMIT`](AnchovyStream::FD_LIMIT), which is room for everything that a peer may queue with
    /// the default [`max_queued`](Self::max_queued).
    ///
    /// If more arrive, the read side fails
    /// ([`ExchangeError::TooManyUnclaimed`](super::ExchangeError::TooManyUnclaimed)). Pausing reads
    /// instead could block forever, because the ids may be in bytes that have not been read.
    ///
    /// Each of these descriptors takes one entry of the descriptor table of this process
    /// (`RLIMIT_NOFILE`, often 1,024). A server with many clients should set a low limit, or an
    /// [account](AnchovyStream::set_account) for each client.
    ///
    /// Descriptors are numbered from 0, in the order in which they are sent. If n descriptors have arrived,
    /// [`Exchange::receive`] waits only for ids with numbers below n + `max_unclaimed`. For that number and
    /// all higher ones it fails at once ([`ReceiveError::OutOfRange`](super::ReceiveError::OutOfRange)).
    pub fn max_unclaimed(mut self, limit: usize) -> Self {
        self.max_unclaimed = Some(limit);
        self
    }

    /// Sets the time for which a descriptor waits to be taken before it is closed. [`Exchange::receive`]
    /// waits for a descriptor for the same time. Default: 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Turns a stream into an exchange. The peer has to do the same with its end; see
    /// [`new`](super::new).
    ///
    /// The exchange keeps the limits and the account of the stream. Descriptors that do not fit into
    /// one message are spread over the next bytes; unlike with
    /// [`spread_fds`](crate::StreamBuilder::spread_fds), a write that is too short for all of them does
    /// not fail. Descriptors in the read queue of the stream are treated as the first ones that the
    /// exchange of the peer has sent.
    ///
    /// # Errors
    ///
    /// Returns one of the following. The stream and all its descriptors are closed.
    ///
    /// - [`FdError::WriteQueueNotEmpty`] if the write queue has descriptors. The peer would treat them
    ///   as descriptors of the exchange.
    /// - [`FdError::LimitOutOfRange`] if [`read_fd_limit`](AnchovyStream::read_fd_limit) or
    ///   [`write_fd_limit`](AnchovyStream::write_fd_limit) of the stream is 0.
    /// - [`ExchangeError::NotAnExchange`](super::ExchangeError::NotAnExchange) if the first descriptor
    ///   in the read queue is not a [carrier](super#which-bytes-carry-which-descriptor), which every exchange
    ///   sends first.
    /// - [`ExchangeError::TooManyUnclaimed`](super::ExchangeError::TooManyUnclaimed) if the read queue
    ///   has more than [`max_unclaimed`](Self::max_unclaimed) descriptors after the carrier.
    /// - An error of the system, in particular of memfd_create(2), such as a full descriptor table.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn build<const S: usize>(
        &self,
        mut stream: AnchovyStream<S>,
    ) -> io::Result<(ExchangeStream<S>, Exchange)> {
        // Without a timer, the task that closes descriptors would panic, and the panic would not be seen.
        drop(tokio::time::sleep(self.timeout));
        let runtime = Handle::current();

        let queued = stream.write_queue().len();
        if queued > 0 {
            return Err(FdError::WriteQueueNotEmpty { queued }.into());
        }
        let most = AnchovyStream::<S>::FD_LIMIT;
        for limit in [stream.read_fd_limit(), stream.write_fd_limit()] {
            if limit == 0 {
                return Err(FdError::LimitOutOfRange { limit, least: 1, most, space: S }.into());
            }
        }
        stream.sender.limits.spread_fds = true;

        let nonce = Nonce::random()?;
        let carrier = carrier::create(nonce)?;
        let limits = Limits {
            max_queued: self.max_queued,
            max_unclaimed: self.max_unclaimed.unwrap_or(default_queue_limit(most)),
            timeout: self.timeout,
        };
        let shared = Arc::new(Shared::new(nonce, limits));
        let exchange = Exchange::new(Arc::clone(&shared));
        Ok((ExchangeStream::assemble(stream, shared, carrier, runtime)?, exchange))
    }
}
