//! A listener as a `Stream` of streams, and as a `Listener` of tokio-util.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::net::unix::SocketAddr;
use tokio_util::net::Listener;

use super::anchovy_listener::AnchovyListener;
use crate::stream::anchovy_stream::AnchovyStream;

/// A [`Stream`] of accepted [`AnchovyStream`]s, which [`AnchovyListener::incoming`] returns. It
/// never ends.
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyListener, AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("anchovy-incoming-{}", std::process::id()));
/// let listener = AnchovyListener::<DBUS_SCM_RIGHTS>::bind(&path)?;
/// # let _client = AnchovyStream::<DBUS_SCM_RIGHTS>::connect(&path).await?;
/// let mut incoming = listener.incoming();
/// while let Some(stream) = incoming.next().await {
///     println!("{:?}", stream?.peer_cred()?);
/// #   break;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a, const S: usize> {
    listener: &'a AnchovyListener<S>,
}

impl<const S: usize> AnchovyListener<S> {
    /// Returns a [`Stream`] of accepted streams. Its errors are those of [`accept`](Self::accept).
    pub fn incoming(&self) -> Incoming<'_, S> {
        Incoming { listener: self }
    }
}

impl<const S: usize> Stream for Incoming<'_, S> {
    type Item = io::Result<AnchovyStream<S>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

/// Implements the trait for generic code that accepts from several kinds of listeners.
impl<const S: usize> Listener for AnchovyListener<S> {
    type Io = AnchovyStream<S>;
    type Addr = SocketAddr;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnchovyStream<S>, SocketAddr)>> {
        AnchovyListener::poll_accept(self, cx)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        AnchovyListener::local_addr(self)
    }
}
