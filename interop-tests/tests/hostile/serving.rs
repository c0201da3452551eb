//! What the servers do with their clients: they answer everything.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anchovy_dbus::{Message, SendErrorKind};
use anchovy_wayland::Listener;
use interop_tests::{memfd, runtime};
use rustix::fs::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::child::{commands, say};
use crate::lines::serve_lines;
use crate::servers::{
    ServerKind, dbus_listener, lines_listener, wayland_connection, wayland_listener,
};
use crate::tally;

/// The D-Bus servers keep calls of this member until they end.
pub(crate) const KEEP: &str = "Keep";

/// A call of a member with this prefix gets as many descriptors as the rest of its name says.
pub(crate) const GIVE_FDS: &str = "GiveFds";

/// Serves until the test ends.
pub(crate) fn run(kind: ServerKind, path: &Path) {
    std::thread::spawn(|| {
        commands().for_each(|_| say(tally::summary()));
        std::process::exit(0);
    });
    // Clients of other users connect.
    rustix::process::umask(Mode::empty());
    runtime().block_on(async {
        match kind {
            ServerKind::Dbus
            | ServerKind::DbusWithFewFds
            | ServerKind::DbusForManyClients
            | ServerKind::DbusWithLittleMemory
            | ServerKind::DbusWithLittleAddressSpace
            | ServerKind::DbusWithEarlyFds
            | ServerKind::DbusWithShortTimeouts => serve_dbus(dbus_listener(kind, path)).await,
            ServerKind::Wayland | ServerKind::WaylandWithShortTimeouts => {
                serve_wayland(kind, wayland_listener(path)).await;
            }
            ServerKind::Lines | ServerKind::LinesWithoutInq => {
                serve_lines(lines_listener(kind, path)).await;
            }
            ServerKind::Bare => {
                serve_bare(UnixListener::bind(path).expect("a path that is free")).await;
            }
        }
    });
}

/// Answers every method call of every client.
async fn serve_dbus(listener: anchovy_dbus::Listener) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let file = Arc::new(memfd());
    say("listening");
    loop {
        let incoming = listener.accept().await.expect("the next client");
        let (kept, file) = (Arc::clone(&kept), Arc::clone(&file));
        tokio::spawn(tally::counted(async move {
            let mut connection = match incoming.handshake().await {
                Ok(connection) => connection,
                Err(error) => return tally::note_end(&error),
            };
            loop {
                let call = match connection.receive().await {
                    Ok(Some(call)) => call,
                    Ok(None) => return,
                    Err(error) => return tally::note_end(&error),
                };
                tally::note_message();
                let mut reply = dbus_reply(&call, &file);
                if call.header().member() == Some(KEEP) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                } else {
                    drop(call);
                }
                // As the documentation of the error has it: the same message can be sent later.
                while let Err(error) = connection.send(reply).await {
                    match (error.unsent, error.kind) {
                        (Some(unsent), SendErrorKind::TooManyFdsInFlight { .. }) => {
                            reply = *unsent;
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        _ => return,
                    }
                }
            }
        }));
    }
}

fn dbus_reply(call: &Message, file: &OwnedFd) -> Message {
    let count = call.header().member().and_then(|member| member.strip_prefix(GIVE_FDS));
    let count: usize = count.and_then(|count| count.parse().ok()).unwrap_or(0);
    let fds = (0..count).map_while(|_| file.try_clone().ok());
    Message::method_return(call).fds(fds).build().expect("a valid reply")
}

/// Answers every request of every client with an event.
async fn serve_wayland(kind: ServerKind, listener: Listener) {
    say("listening");
    loop {
        let (stream, _) = listener.accept().await.expect("the next client");
        tokio::spawn(tally::counted(async move {
            let mut connection = wayland_connection(kind, stream);
            while let Ok(Some(request)) = connection.receive().await {
                tally::note_message();
                let event = anchovy_wayland::Message::builder(request.object(), 0).uint(1);
                drop(request);
                if connection.send(event.build().expect("a valid event")).await.is_err() {
                    break;
                }
            }
        }));
    }
}

/// Echoes what the first client sends, and drops every other client.
async fn serve_bare(listener: UnixListener) {
    say("listening");
    let (mut first, _) = listener.accept().await.expect("the first client");
    tokio::spawn(async move {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = first.read(&mut bytes).await {
            if first.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    });
    loop {
        drop(listener.accept().await.expect("the next client"));
        // Otherwise tokio has this task accept 128 clients before it polls another.
        tokio::task::yield_now().await;
    }
}
