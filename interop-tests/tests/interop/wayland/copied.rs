//! Real clients and real compositors with `anchovy::copy_bidirectional` between them.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use interop_tests::{StreamTap, Transcript, runtime};

use super::desktop::Desktop;
use super::spied::see_the_same;
use super::{Ask, BURSTS, Seen};
use crate::copied::Copying;

/// A compositor and the copy that proxies one client, with a tap on each side of the copy.
pub(crate) struct CopiedDesktop<'a> {
    desktop: &'a Desktop,
    copying: Copying,
    inner: StreamTap,
    outer: StreamTap,
    socket: PathBuf,
}

impl<'a> CopiedDesktop<'a> {
    /// Starts the copy for a compositor of this user.
    pub(crate) fn on(desktop: &'a Desktop) -> CopiedDesktop<'a> {
        let (inner_socket, socket) = (desktop.join("inner"), desktop.join("outer"));
        let inner = StreamTap::start(&inner_socket, desktop.socket().to_owned());
        let copying = Copying::start::<WAYLAND_SCM_RIGHTS>(&desktop.join("copy"), inner_socket);
        let outer = StreamTap::start(&socket, desktop.join("copy"));
        CopiedDesktop { desktop, copying, inner, outer, socket }
    }

    /// Returns a command for a program that connects through the copy.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = self.desktop.program(program);
        command.env("WAYLAND_DISPLAY", &self.socket);
        command
    }

    /// Waits until the client has disconnected. Compares the incoming with the outgoing traffic, and
    /// with the numbers of the copy.
    pub(crate) async fn see_unchanged(self, transcript: &Transcript) {
        let (there, back) = self.copying.ended().await;
        let (came, went) = (self.outer.ended().await, self.inner.ended().await);
        assert_eq!((came.len(), went.len()), (1, 1), "connections");
        see_the_same(&came[0], &went[0]);
        for (copied, way) in [(there, &came[0].client), (back, &came[0].server)] {
            let passed = (way.bytes.len() as u64, way.fds.len() as u64);
            assert_eq!((copied.bytes, copied.fds), passed, "what the copy counted");
        }
        let with = if there.fds == 0 { "without" } else { "with" };
        transcript.note(format!("unchanged through the copy, {with} descriptors of the client"));
    }
}

/// Lets a client create pools, and compares its files with those that the compositor received.
pub(crate) fn passes_pools(
    compositor: impl AsyncFn(UnixStream, usize) -> Seen,
    client: impl AsyncFn(UnixStream, Ask) -> Seen,
    transcript: &Transcript,
) {
    for count in BURSTS {
        let (sent, seen, fds) = copied(&compositor, &client, Ask::Pools(count), 0);
        assert_eq!((seen.pools.len(), fds), (count, (count as u64, 0)));
        assert_eq!(seen.pools, sent.pools);
        transcript.note(format!("{count} create_pool, each with its file"));
    }
}

/// Lets a compositor send keymaps, and compares its files with those that the client received.
pub(crate) fn passes_keymaps(
    compositor: impl AsyncFn(UnixStream, usize) -> Seen,
    client: impl AsyncFn(UnixStream, Ask) -> Seen,
    transcript: &Transcript,
) {
    for count in BURSTS {
        let (seen, sent, fds) = copied(&compositor, &client, Ask::Keymaps, count);
        assert_eq!((seen.keymaps.len(), fds), (count, (0, count as u64)));
        assert_eq!(seen.keymaps, sent.keymaps);
        transcript.note(format!("{count} keymaps, each with its file"));
    }
}

/// Runs a client and a compositor with the copy between them until both have ended. Returns what each
/// of them reports, and how many descriptors were copied from the client and from the compositor.
fn copied(
    compositor: &impl AsyncFn(UnixStream, usize) -> Seen,
    client: &impl AsyncFn(UnixStream, Ask) -> Seen,
    ask: Ask,
    keymaps: usize,
) -> (Seen, Seen, (u64, u64)) {
    runtime().block_on(async {
        let pair = || UnixStream::pair().expect("a pair");
        let ((client_end, front), (back, compositor_end)) = (pair(), pair());
        let ours = |end| AnchovyStream::<WAYLAND_SCM_RIGHTS>::new(end).expect("a stream");
        let copying = Copying::between(ours(front), ours(back));
        let (client, compositor, (there, back)) = tokio::join!(
            client(client_end, ask),
            compositor(compositor_end, keymaps),
            copying.ended()
        );
        (client, compositor, (there.fds, back.fds))
    })
}
