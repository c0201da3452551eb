//! The part that all protocols have in common: messages with a number and descriptors.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A message: its number, and its descriptors.
pub(crate) type Numbered = (u32, Vec<OwnedFd>);

/// The most descriptors of a message that this program sends.
pub(crate) const MOST_FDS: usize = 4;

/// A protocol of one of the crates.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// The name that a child process receives as an argument.
    const NAME: &'static str;

    type Listener: Send + Sync;
    type Read: Receive;
    type Write: Transmit;

    fn bind(path: &Path) -> io::Result<Self::Listener>;

    /// Accepts a client, and completes its handshake.
    fn accept(
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Read, Self::Write)>> + Send;

    fn connect(path: &Path) -> impl Future<Output = io::Result<(Self::Read, Self::Write)>> + Send;
}

/// The half of a connection that receives.
pub(crate) trait Receive: Send + 'static {
    /// Receives a message, or `None` at the end of the stream. Cancel safe.
    fn receive(&mut self) -> impl Future<Output = io::Result<Option<Numbered>>> + Send;
}

/// The half of a connection that sends.
pub(crate) trait Transmit: Send + 'static {
    fn send(&mut self, message: Numbered) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends the stream.
    fn close(self) -> impl Future<Output = io::Result<()>> + Send;
}
