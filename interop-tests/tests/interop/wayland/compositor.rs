//! A compositor of anchovy-wayland, for a client of the peer.

use std::os::unix::net::UnixStream;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{
    Answer, Connection, DisplayError, Globals, Limits, Message, MessageBuilder, ObjectId,
    Registries, fds,
};
use interop_tests::{Transcript, identity, memfd, runtime};

use super::*;

const KEYMAP: u16 = 0;

/// Offers the globals that the peer's client lists.
pub(crate) fn shows_globals(
    theirs: impl AsyncFn(UnixStream, Ask) -> Seen,
    transcript: &Transcript,
) {
    let (_, seen) = run_with_peer(&theirs, Ask::Globals, 0, Limits::server());
    for (interface, version) in seen.globals {
        transcript.note(format!("it sees {interface} {version}"));
    }
}

/// Receives pools, and compares their files with those that the peer's client sent.
pub(crate) fn takes_pools(theirs: impl AsyncFn(UnixStream, Ask) -> Seen, transcript: &Transcript) {
    for count in BURSTS {
        let (ours, sent) = run_with_peer(&theirs, Ask::Pools(count), 0, Limits::server());
        assert_eq!(ours.pools, sent.pools);
        transcript.note(format!("it > {count} create_pool"));
        transcript.note(format!("we see {} pools, each with its file", ours.pools.len()));
    }
}

/// Sends keymaps, and compares their files with those that the peer's client received.
pub(crate) fn gives_keymaps(
    theirs: impl AsyncFn(UnixStream, Ask) -> Seen,
    transcript: &Transcript,
) {
    for own in [false, true] {
        let limits = Limits { fds_with_their_message: own, ..Limits::server() };
        for count in BURSTS {
            let (ours, seen) = run_with_peer(&theirs, Ask::Keymaps, count, limits.clone());
            assert_eq!(ours.keymaps, seen.keymaps);
            let how = if own { "each with its message" } else { "as early as may be" };
            transcript.note(format!("we > {count} keymaps, descriptors {how}"));
            transcript.note(format!("it sees {} keymaps, each with our file", seen.keymaps.len()));
        }
    }
}

/// Runs the compositor, and the peer's client until it disconnects.
fn run_with_peer(
    theirs: &impl AsyncFn(UnixStream, Ask) -> Seen,
    ask: Ask,
    keymaps: usize,
    limits: Limits,
) -> (Seen, Seen) {
    runtime().block_on(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        let ours = async {
            let mut us = Compositor::new(near, keymaps, limits);
            us.serve().await;
            us.seen
        };
        tokio::join!(ours, theirs(far, ask))
    })
}

struct Compositor {
    connection: Connection<Objects>,
    objects: Objects,
    globals: Globals,
    registries: Registries,
    /// Number of keymaps of each keyboard.
    keymaps: usize,
    seen: Seen,
}

impl Compositor {
    fn new(socket: UnixStream, keymaps: usize, limits: Limits) -> Compositor {
        let objects = Objects::new(fds::requests);
        let connection = Connection::new(socket, objects.clone(), limits).expect("a connection");
        let mut globals = Globals::new();
        globals.add("wl_shm", 1).expect("a good global");
        globals.add("wl_seat", 7).expect("a good global");
        let (registries, seen) = (Registries::new(), Seen::default());
        Compositor { connection, objects, globals, registries, keymaps, seen }
    }

    async fn feed(&mut self, message: MessageBuilder) {
        self.connection.feed(message.build().expect("short")).await.expect("it is taken");
    }

    /// Serves until the client disconnects.
    async fn serve(&mut self) {
        while let Some(request) = self.connection.receive().await.expect("nothing wrong") {
            self.answer(request).await.expect("a good request");
            self.connection.flush().await.expect("it leaves");
        }
    }

    async fn answer(&mut self, mut request: Message) -> Result<(), DisplayError> {
        match self.registries.answer(&self.globals, &request)? {
            Answer::Events(events) => {
                for event in events {
                    self.connection.feed(event).await.expect("it is taken");
                }
                return Ok(());
            }
            Answer::Bind(bind) => {
                let mut known = ["wl_shm", "wl_seat"].into_iter();
                let interface = known.find(|known| *known == bind.interface);
                self.objects.add(bind.id, interface.expect("one that was announced"));
                return Ok(());
            }
            _ => {}
        }
        let (object, opcode) = (request.object(), request.opcode());
        let mut arguments = request.read();
        match (self.objects.interface_of(object), opcode) {
            // create_pool
            (Some("wl_shm"), 0) => {
                let (pool, file) = (arguments.new_id()?, arguments.fd()?);
                arguments.int()?;
                arguments.finish()?;
                crate::dbus::see_close_on_exec(std::slice::from_ref(&file));
                self.objects.add(pool, "wl_shm_pool");
                self.seen.pools.push(identity(file));
            }
            // destroy
            (Some("wl_shm_pool"), 1) => {
                arguments.finish()?;
                let delete = Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID);
                self.feed(delete.uint(object.get())).await;
            }
            // get_keyboard
            (Some("wl_seat"), 1) => {
                let keyboard = arguments.new_id()?;
                arguments.finish()?;
                self.objects.add(keyboard, "wl_keyboard");
                for number in 1..=self.keymaps as u32 {
                    let file = memfd();
                    self.seen.keymaps.push(identity(&file));
                    let keymap = Message::builder(keyboard, KEYMAP).uint(1).fd(file).uint(number);
                    self.feed(keymap).await;
                }
            }
            (known, _) => panic!("{opcode} of {known:?}"),
        }
        Ok(())
    }
}
