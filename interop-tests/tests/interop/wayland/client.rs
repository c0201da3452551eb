//! A client of anchovy-wayland, at a compositor of the peer.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy_wayland::{Connection, Limits, Message, MessageBuilder, ObjectId, Registry};
use interop_tests::{Transcript, identity, memfd, now, runtime};

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
    run_with_peer(&theirs, 0, Limits::client(), async |us| {
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
            let (sent, seen) = run_with_peer(&theirs, 0, limits.clone(), async |us| {
                let shm = us.bind("wl_shm", 1).await;
                let mut sent = Vec::new();
                for size in 1..=count {
                    let file = memfd();
                    sent.push(identity(&file));
                    let create = |id| Message::builder(shm, CREATE_POOL).new_id(id).fd(file);
                    let create = |id| create(id).int(size as i32);
                    us.feed_create("wl_shm_pool", create).await;
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
        let (came, seen) = run_with_peer(&theirs, count, Limits::client(), async |us| {
            let seat = us.bind("wl_seat", 1).await;
            let get_keyboard = |id| Message::builder(seat, GET_KEYBOARD).new_id(id);
            let keyboard = us.feed_create("wl_keyboard", get_keyboard).await;
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
fn run_with_peer<T>(
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

/// The client and the globals.
struct Client {
    connection: Connection,
    registry: Registry,
}

impl Client {
    async fn new(socket: UnixStream, limits: Limits) -> Client {
        let limits = Limits { reply_timeout: Some(TIMEOUT), ..limits };
        let mut connection = Connection::client(socket, limits).expect("a connection");
        let registry = connection.registry().await.expect("a registry");
        Client { connection, registry }
    }

    async fn feed_create(
        &mut self,
        interface: &'static str,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> ObjectId {
        self.connection.feed_create(interface, request).await.expect("it is taken")
    }

    async fn bind(&mut self, interface: &str, version: u32) -> ObjectId {
        let bound = self.connection.bind(&self.registry, interface, version..=version).await;
        bound.expect("it is there").id
    }

    /// Returns the events before the answer to all requests.
    async fn roundtrip(&mut self) -> Vec<Message> {
        self.connection.roundtrip().await.expect("a reply");
        let mut events = Vec::new();
        while let Some(event) = now(self.connection.receive()).await {
            events.push(event.expect("no error").expect("an event"));
        }
        events
    }
}
