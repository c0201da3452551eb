//! A client of anchovy-wayland, at a compositor of the peer.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{
    ClientIds, Connection, DisplayError, Limits, Message, MessageBuilder, ObjectId, Registry, fds,
};
use interop_tests::{Transcript, identity, memfd, runtime};

use super::*;

/// Much longer than a busy machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);

const CREATE_POOL: u16 = 0;
const GET_KEYBOARD: u16 = 1;
const KEYMAP: u16 = 0;

/// Lists the globals of the peer's compositor.
pub(crate) fn sees_globals(
    theirs: impl AsyncFn(UnixStream, usize) -> Seen,
    transcript: &Transcript,
) {
    meet(&theirs, 0, Limits::client(), async |us| {
        for global in us.registry.globals() {
            transcript.note(format!("it has {} {}", global.interface, global.version));
        }
    });
}

/// Creates pools, and compares their files with those that the peer's compositor received.
pub(crate) fn makes_pools(
    theirs: impl AsyncFn(UnixStream, usize) -> Seen,
    transcript: &Transcript,
) {
    for own in [false, true] {
        let limits = Limits { fds_with_their_message: own, ..Limits::client() };
        for count in BURSTS {
            let (sent, seen) = meet(&theirs, 0, limits.clone(), async |us| {
                let shm = us.bind("wl_shm", 1).await;
                let mut sent = Vec::new();
                for size in 1..=count {
                    let (pool, file) = (us.take_id("wl_shm_pool"), memfd());
                    sent.push(identity(&file));
                    let create = Message::builder(shm, CREATE_POOL).new_id(pool).fd(file);
                    us.feed(create.int(size as i32)).await;
                }
                us.roundtrip().await;
                sent
            });
            assert_eq!(seen.pools, sent);
            let how = if own { "each with its message" } else { "as early as may be" };
            transcript.note(format!("we > {count} create_pool, descriptors {how}"));
            transcript.note(format!("it sees {} pools, each with our file", seen.pools.len()));
        }
    }
}

/// Receives keymaps, and compares their files with those that the peer's compositor sent.
pub(crate) fn gets_keymaps(
    theirs: impl AsyncFn(UnixStream, usize) -> Seen,
    transcript: &Transcript,
) {
    for count in BURSTS {
        let (came, seen) = meet(&theirs, count, Limits::client(), async |us| {
            let seat = us.bind("wl_seat", 1).await;
            let keyboard = us.take_id("wl_keyboard");
            us.feed(Message::builder(seat, GET_KEYBOARD).new_id(keyboard)).await;
            let mut came = Vec::new();
            for mut event in us.roundtrip().await {
                if (event.object(), event.opcode()) != (keyboard, KEYMAP) {
                    continue;
                }
                let mut arguments = event.read();
                assert_eq!(arguments.uint(), Ok(1), "the format");
                let file = arguments.fd().expect("a descriptor");
                crate::dbus::see_close_on_exec(std::slice::from_ref(&file));
                came.push(identity(file));
                assert_eq!(arguments.uint(), Ok(came.len() as u32), "its size is its number");
                arguments.finish().expect("nothing is left");
            }
            came
        });
        assert_eq!(seen.keymaps, came);
        transcript.note(format!("it > {count} keymaps"));
        transcript.note(format!("we see {} keymaps, each with its file", came.len()));
    }
}

/// Runs the client, and the peer's compositor until it ends.
fn meet<T>(
    theirs: &impl AsyncFn(UnixStream, usize) -> Seen,
    keymaps: usize,
    limits: Limits,
    client: impl AsyncFnOnce(&mut Client) -> T,
) -> (T, Seen) {
    runtime().block_on(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        let ours = async {
            let mut us = Client::new(near, limits).await;
            client(&mut us).await
        };
        tokio::join!(ours, theirs(far, keymaps))
    })
}

/// The client: its objects, their ids, and the globals.
struct Client {
    connection: Connection<Objects>,
    objects: Objects,
    ids: ClientIds,
    registry: Registry,
}

impl Client {
    async fn new(socket: UnixStream, limits: Limits) -> Client {
        let objects = Objects::new(fds::events);
        let mut connection =
            Connection::new(socket, objects.clone(), limits).expect("a connection");
        let mut ids = ClientIds::new();
        let registry = connection.registry(&mut ids, TIMEOUT).await.expect("a registry");
        Client { connection, objects, ids, registry }
    }

    fn take_id(&mut self, interface: &'static str) -> ObjectId {
        let id = self.ids.take().expect("a number");
        self.objects.add(id, interface);
        id
    }

    async fn feed(&mut self, message: MessageBuilder) {
        self.connection.feed(message.build().expect("short")).await.expect("it is taken");
    }

    async fn bind(&mut self, interface: &'static str, version: u32) -> ObjectId {
        let id = self.take_id(interface);
        let global = self.registry.find(interface).expect("it is there");
        let bind = self.registry.bind(global, version, id).expect("a request");
        self.connection.feed(bind).await.expect("it is taken");
        id
    }

    /// Returns the events before the answer to all requests, except for those that free ids.
    async fn roundtrip(&mut self) -> Vec<Message> {
        let callback = self.take_id("wl_callback");
        self.feed(Message::builder(ObjectId::DISPLAY, wl_display::SYNC).new_id(callback)).await;
        self.connection.flush().await.expect("it leaves");
        let mut events = Vec::new();
        loop {
            let mut event = self.connection.receive().await.expect("no error").expect("an event");
            if event.object() == callback {
                return events;
            }
            if let Some(error) = DisplayError::read(&event).expect("it is well formed") {
                panic!("{error}");
            }
            if (event.object(), event.opcode()) == (ObjectId::DISPLAY, wl_display::DELETE_ID) {
                let number = event.read().uint().ok().and_then(ObjectId::new).expect("a number");
                assert!(self.ids.free(number), "{number} was taken");
                continue;
            }
            events.push(event);
        }
    }
}
