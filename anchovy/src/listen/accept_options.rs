//! What each accepted stream gets.

use std::io;

use tokio::net::UnixStream;

use crate::builder::StreamBuilder;
use crate::passing::set_fd_passing;
use crate::stream::anchovy_stream::AnchovyStream;

/// Limits and options of accepted streams.
#[derive(Clone, Debug)]
pub(super) struct AcceptOptions<const S: usize> {
    pub(super) stream: StreamBuilder<S>,
    /// To be set on each accepted socket, because it is not inherited.
    pub(super) fd_passing: Option<bool>,
}

impl<const S: usize> AcceptOptions<S> {
    pub(super) fn stream(&self, socket: UnixStream) -> io::Result<AnchovyStream<S>> {
        if let Some(on) = self.fd_passing {
            // A kernel without the option leaves it to the limit of the stream.
            let _ = set_fd_passing(&socket, on);
        }
        self.stream.registered(socket)
    }
}
