//! Making exchanges, with limits of their own.

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

/// The most descriptors that may wait to leave, unless another limit is set: 5 for each of the 200
/// requests that an HTTP/2 server of hyper accepts at once by default.
const MAX_QUEUED: usize = 1024;

/// The time for which a descriptor may wait, and a call for a descriptor, unless another one is set.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes an exchange of a stream, with the default limits; see [`Exchange::builder`].
///
/// # Errors
///
/// As for [`ExchangeBuilder::build`].
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
pub fn new<const S: usize>(stream: AnchovyStream<S>) -> io::Result<(ExchangeStream<S>, Exchange)> {
    Exchange::builder().build(stream)
}

impl Exchange {
    /// Creates a builder, which sets limits.
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
    /// Sets the most descriptors that may wait to leave. Default: 1,024.
    ///
    /// [`Exchange::send`] refuses more
    /// ([`SendErrorKind::TooManyQueued`](super::SendErrorKind::TooManyQueued)).
    pub fn max_queued(mut self, limit: usize) -> Self {
        self.max_queued = limit;
        self
    }

    /// Sets the most descriptors that may wait to be taken. Default: 1,024 and
    /// [`FD_LIMIT`](AnchovyStream::FD_LIMIT), so that the descriptors of all requests that a peer can
    /// queue by default fit.
    ///
    /// More of them fail the read side
    /// ([`ExchangeError::TooManyUnclaimed`](super::ExchangeError::TooManyUnclaimed)). A pause in their
    /// place could be without end, since the ids may be in bytes that have not been read. Each waiting
    /// descriptor takes a place in the table of this process (`RLIMIT_NOFILE`, often 1,024), so a
    /// server with many clients sets a low limit, or an [account](AnchovyStream::set_account) for each
    /// client.
    ///
    /// An id that is this limit or more ahead of the descriptors that have arrived is out of range
    /// ([`ReceiveError::OutOfRange`](super::ReceiveError::OutOfRange)).
    pub fn max_unclaimed(mut self, limit: usize) -> Self {
        self.max_unclaimed = Some(limit);
        self
    }

    /// Sets the time for which a descriptor may wait to be taken, and for which
    /// [`Exchange::receive`] waits for a descriptor. Default: 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes an exchange of a stream. The peer has to make one of its end too, at the same position in
    /// the bytes of each direction.
    ///
    /// The limits and the account of the stream stay. Its write queue is always
    /// [spread](crate::StreamBuilder::spread_fds). Descriptors in its read queue are taken for the first
    /// ones that the exchange of the peer has sent.
    ///
    /// # Errors
    ///
    /// Everything is closed then.
    ///
    /// - [`FdError::WriteQueueNotEmpty`], because the peer would take these descriptors for those of an
    ///   exchange.
    /// - [`FdError::LimitOutOfRange`] if the stream may not send or receive any descriptor.
    /// - [`ExchangeError::NotAnExchange`](super::ExchangeError::NotAnExchange) and
    ///   [`ExchangeError::TooManyUnclaimed`](super::ExchangeError::TooManyUnclaimed) for descriptors in
    ///   the read queue.
    /// - Errors of the system, in particular of memfd_create(2), such as a full descriptor table.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
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
