//! The benchmarks with anchovy-wayland.
//!
//! The client uses the objects of the crate. The compositor provides the map of objects that its
//! `Signatures` source reads: an array, because the ids of a client have no gaps.

use std::time::{Duration, Instant};

use anchovy_wayland::opcodes::{wl_callback, wl_display};
use anchovy_wayland::{Connection, Limits, Message, ObjectId, Signatures, fds};
use tokio::net::UnixStream;

use super::{BATCH, LARGE_BATCH, PAIRS, PLAIN};
use crate::work::{null, run};

const CREATE_POOL: u16 = 0;
const DESTROY_POOL: u16 = 1;
const DAMAGE: u16 = 2;

/// The interfaces of objects, as the compositor knows them.
pub(super) struct Objects {
    interfaces: Vec<Option<&'static str>>,
}

impl Objects {
    fn new() -> Objects {
        let mut objects = Objects { interfaces: Vec::new() };
        objects.add(ObjectId::DISPLAY, "wl_display");
        objects
    }

    pub(super) fn add(&mut self, id: ObjectId, interface: &'static str) {
        let at = id.get() as usize;
        if at >= self.interfaces.len() {
            self.interfaces.resize(at + 1, None);
        }
        self.interfaces[at] = Some(interface);
    }

    pub(super) fn remove(&mut self, id: ObjectId) {
        self.interfaces[id.get() as usize].take().expect("it was added");
    }

    fn interface(&self, id: ObjectId) -> Option<&'static str> {
        self.interfaces.get(id.get() as usize).copied().flatten()
    }
}

impl Signatures for Objects {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.interface(object).map_or(0, |interface| fds::requests(interface, opcode))
    }
}

/// The connection of the compositor.
pub(super) type Compositor = Connection<Objects>;

fn pair() -> (Connection, Compositor) {
    let (near, far) = UnixStream::pair().expect("a pair");
    (client(near), compositor(far))
}

pub(super) fn client(socket: UnixStream) -> Connection {
    Connection::client(socket, Limits::default()).expect("a connection")
}

pub(super) fn compositor(socket: UnixStream) -> Compositor {
    Connection::new(socket, Objects::new(), Limits::default()).expect("a connection")
}

/// Returns both ends, and an object that the client has created.
async fn pair_with(interface: &'static str) -> (Connection, Compositor, ObjectId) {
    let (mut client, mut compositor) = pair();
    let request = |id| Message::builder(ObjectId::DISPLAY, wl_display::GET_REGISTRY).new_id(id);
    let id = client.create(interface, request).await.expect("the far end is there");
    compositor.receive().await.expect("a request").expect("it was sent");
    compositor.signatures_mut().add(id, interface);
    (client, compositor, id)
}

pub(crate) fn pools() -> Duration {
    let null = null();
    run(async {
        let (mut client, mut compositor, shm) = pair_with("wl_shm").await;
        let mut last = 0;
        let start = Instant::now();
        for _ in 0..PAIRS / BATCH {
            for _ in 0..BATCH {
                let fd = null.try_clone().expect("a duplicate");
                let create = |id| Message::builder(shm, CREATE_POOL).new_id(id).fd(fd).int(4096);
                let pool = client.feed_create("wl_shm_pool", create).await;
                let pool = pool.expect("the far end is there");
                last = last.max(pool.get());
                let destroy = Message::builder(pool, DESTROY_POOL).build().expect("a good request");
                client.feed(destroy).await.expect("the far end is there");
            }
            let callback = feed_sync(&mut client).await;
            client.flush().await.expect("the far end is there");

            for _ in 0..2 * BATCH + 1 {
                let request = compositor.receive().await.expect("a request").expect("it was sent");
                handle(&mut compositor, request).await;
            }
            compositor.flush().await.expect("the near end is there");

            // It applies the deletions of the pools.
            receive_done(&mut client, callback).await;
        }
        let spent = start.elapsed();
        assert!(last < 2 * BATCH, "the ids were used again");
        spent / PAIRS
    })
}

pub(super) async fn feed_sync(client: &mut Connection) -> ObjectId {
    let sync = |id| Message::builder(ObjectId::DISPLAY, wl_display::SYNC).new_id(id);
    client.feed_create("wl_callback", sync).await.expect("the far end is there")
}

pub(super) async fn receive_done(client: &mut Connection, callback: ObjectId) {
    let mut done = client.receive().await.expect("an event").expect("it is answered");
    assert_eq!((done.object(), done.opcode()), (callback, wl_callback::DONE));
    let mut arguments = done.read();
    arguments.uint().expect("a number");
    arguments.finish().expect("that is all");
}

/// Handles a request as a compositor does, without flushing.
pub(super) async fn handle(compositor: &mut Compositor, mut request: Message) {
    let (object, opcode) = (request.object(), request.opcode());
    let interface = compositor.signatures().interface(object).expect("it was added");
    let mut arguments = request.read();
    match (interface, opcode) {
        ("wl_display", wl_display::SYNC) => {
            let callback = arguments.new_id().expect("a number");
            arguments.finish().expect("that is all");
            let done = Message::builder(callback, wl_callback::DONE).uint(0);
            let done = done.build().expect("a good event");
            compositor.feed(done).await.expect("the near end is there");
            feed_delete(compositor, callback).await;
        }
        ("wl_shm", CREATE_POOL) => {
            let pool = arguments.new_id().expect("a number");
            let _fd = arguments.fd().expect("a descriptor");
            assert_eq!(arguments.int().expect("a size"), 4096);
            arguments.finish().expect("that is all");
            compositor.signatures_mut().add(pool, "wl_shm_pool");
        }
        ("wl_shm_pool", DESTROY_POOL) => {
            arguments.finish().expect("that is all");
            compositor.signatures_mut().remove(object);
            feed_delete(compositor, object).await;
        }
        ("wl_surface", DAMAGE) => {
            let [_, _, width, _] = [(); 4].map(|()| arguments.int().expect("a number"));
            arguments.finish().expect("that is all");
            assert_eq!(width, 1);
        }
        other => panic!("nobody asked for {other:?}"),
    }
}

async fn feed_delete(compositor: &mut Compositor, id: ObjectId) {
    let delete = Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID).uint(id.get());
    let delete = delete.build().expect("a good event");
    compositor.feed(delete).await.expect("the near end is there");
}

pub(crate) fn damage() -> Duration {
    damage_in_batches(BATCH)
}

pub(crate) fn damage_in_large_batches() -> Duration {
    damage_in_batches(LARGE_BATCH)
}

fn damage_in_batches(batch: u32) -> Duration {
    run(async {
        let (mut client, mut compositor, surface) = pair_with("wl_surface").await;
        let start = Instant::now();
        for _ in 0..PLAIN / batch {
            for number in 0..batch {
                let damage = Message::builder(surface, DAMAGE).int(0).int(0).int(1);
                let damage = damage.int(number as i32).build().expect("a good request");
                client.feed(damage).await.expect("the far end is there");
            }
            client.flush().await.expect("the far end is there");

            for _ in 0..batch {
                let request = compositor.receive().await.expect("a request").expect("it was sent");
                handle(&mut compositor, request).await;
            }
        }
        start.elapsed() / PLAIN
    })
}
