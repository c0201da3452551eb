//! The peer, which sends every message back. It is a task, or a process of its own.

use std::io;
use std::path::Path;

use anyhow::{Result, bail};
use interop_tests::runtime;

use crate::dbus::Dbus;
use crate::defect::Defect;
use crate::exchange::Exchange;
use crate::protocol::{Protocol, Receive, Transmit};
use crate::stream::Stream;
use crate::wayland::Wayland;

/// Connects, and sends messages back until the stream ends.
pub(crate) async fn echo<P: Protocol>(path: &Path) -> io::Result<()> {
    let (mut read, mut write) = P::connect(path).await?;
    while let Some((number, mut fds)) = read.receive().await? {
        if !fds.is_empty() && Defect::LostDescriptor.occurs() {
            fds.pop();
        }
        write.send((number, fds)).await?;
    }
    write.close().await
}

/// Is the peer in a process of its own.
pub(crate) fn run_child(protocol: &str, path: &Path) -> Result<()> {
    let outcome = runtime().block_on(async {
        Ok(match protocol {
            Stream::NAME => echo::<Stream>(path).await,
            Exchange::NAME => echo::<Exchange>(path).await,
            Dbus::NAME => echo::<Dbus>(path).await,
            Wayland::NAME => echo::<Wayland>(path).await,
            _ => bail!("no protocol {protocol}"),
        })
    })?;
    // The parent may close a connection at any time. It counts the replies.
    if outcome.is_err() {
        std::process::exit(2);
    }
    Ok(())
}
