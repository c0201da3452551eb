//! Real programs and a real compositor with the example `wayland_spy` between them, and a tap on
//! each side of the spy.

use std::path::{Path, PathBuf};
use std::process::Command;

use interop_tests::{Passed, Program, StreamTap, Transcript};

use super::desktop::Desktop;

/// A compositor and the spy that proxies it.
pub(crate) struct Spied<'a> {
    desktop: &'a Desktop,
    spy: Program,
    inner: StreamTap,
    outer: StreamTap,
    socket: PathBuf,
    /// Number of clients that have disconnected.
    gone: usize,
}

impl<'a> Spied<'a> {
    /// Starts the spy for a compositor.
    pub(crate) async fn on(desktop: &'a Desktop) -> Spied<'a> {
        let (inner_socket, socket) = (desktop.join("inner"), desktop.join("outer"));
        let inner = StreamTap::start(&inner_socket, desktop.socket().to_owned());
        desktop.let_in(&inner_socket);
        let mut spy = desktop.example("wayland_spy");
        spy.arg("--display").arg(inner_socket).arg("--socket").arg(desktop.join("spy"));
        let mut spy = Program::start(&mut spy);
        assert_eq!(Path::new(&spy.line().await), desktop.join("spy"), "it listens");
        let outer = StreamTap::start(&socket, desktop.join("spy"));
        desktop.let_in(&socket);
        Spied { desktop, spy, inner, outer, socket, gone: 0 }
    }

    /// Returns a command for a program that connects through the spy.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = self.desktop.program(program);
        command.env("WAYLAND_DISPLAY", &self.socket);
        command
    }

    /// Returns the socket of the spy.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until the spy prints a line that contains `part`, and adds it to the transcript.
    pub(crate) async fn sees(&mut self, part: &str, transcript: &Transcript) {
        loop {
            let line = self.line().await;
            if line.contains(part) {
                transcript.note(shape(&line));
                return;
            }
        }
    }

    async fn line(&mut self) -> String {
        let line = self.spy.line().await;
        println!("spy: {line}");
        self.gone += usize::from(line.contains(" closed the connection"));
        assert!(!line.contains(" was disconnected: "), "{line}");
        assert!(!line.contains("; warning: "), "{line}");
        line
    }

    /// Waits until this number of clients have connected and disconnected. Compares the incoming
    /// with the outgoing traffic, byte for byte and descriptor for descriptor.
    pub(crate) async fn see_unchanged(mut self, clients: usize, transcript: &Transcript) {
        while self.gone < clients {
            self.line().await;
        }
        let (mut came, mut went) = (self.outer.ended().await, self.inner.ended().await);
        // Clients that connect at the same time may be in another order on the other side.
        came.sort();
        went.sort();
        assert_eq!((came.len(), went.len()), (clients, clients), "connections");
        for (came, went) in came.iter().zip(&went) {
            see_the_same(came, went);
        }
        let fds: usize = came.iter().map(|one| one.client.fds.len() + one.server.fds.len()).sum();
        let with = if fds == 0 { "without descriptors" } else { "with their descriptors" };
        transcript.note(format!("connections through us, unchanged, {with}: {clients}"));
    }
}

/// Compares byte for byte, and descriptor for descriptor.
pub(crate) fn see_the_same(came: &Passed, went: &Passed) {
    for (who, came, went) in
        [("client", &came.client, &went.client), ("compositor", &came.server, &went.server)]
    {
        println!("{who}: {} bytes, {} descriptors", came.bytes.len(), came.fds.len());
        assert!(!came.bytes.is_empty(), "the {who} says something");
        assert!(came.bytes == went.bytes, "bytes of the {who}");
        assert_eq!(came.fds, went.fds, "descriptors of the {who}");
    }
}

/// Removes values from a line of the spy that differ between runs and versions: the time, numbers, and
/// everything about descriptors except for their kind.
fn shape(line: &str) -> String {
    let line = line.split_once("] ").map_or(line, |(_, line)| line);
    let mut parts = line.split("; fd ");
    let mut shape = without_numbers(parts.next().unwrap_or_default());
    for part in parts {
        let what = part.split_once(": ").map_or("", |(_, what)| what);
        let kind = match what.split([' ', ':']).next() {
            Some(kind @ ("memfd" | "pipe")) => kind,
            // A file whose name was removed at once: shared memory too.
            Some("file") if what.contains(" (deleted)") => "removed file",
            _ => what,
        };
        shape.push_str("; fd: ");
        shape.push_str(kind);
        // The receiver of a pipe can either read or write.
        if let ("pipe", Some(access)) = (kind, what.split(' ').nth(1)) {
            shape.push(' ');
            shape.push_str(access);
        }
    }
    shape
}

fn without_numbers(line: &str) -> String {
    let mut shape = String::new();
    let mut in_number = false;
    for letter in line.chars() {
        let is_digit = letter.is_ascii_digit();
        match (is_digit, in_number) {
            (false, _) => shape.push(letter),
            (true, false) => shape.push('N'),
            (true, true) => {}
        }
        in_number = is_digit;
    }
    shape
}
