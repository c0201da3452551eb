//! The operations of `anchovy-wayland`.

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Connection, Limits, Message, ObjectId};
use interop_tests::runtime;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::stream::null;
use crate::operation::{Operation, Rounds, repeat};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("Wayland: create and destroy 20 pools", pools),
    Operation::new("Wayland: send and receive 20 plain requests", damage),
];

const BATCH: usize = 20;

const CREATE_POOL: u16 = 0;
const DESTROY_POOL: u16 = 1;
const DAMAGE: u16 = 2;

/// The signatures of a compositor with one interface: all but the first object are pools.
type Signatures = fn(ObjectId, u16) -> usize;

fn connected(signatures: Signatures) -> (Runtime, Connection, Connection<Signatures>, ObjectId) {
    let runtime = runtime();
    let (client, compositor, object) = runtime.block_on(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        let mut client = Connection::client(near, Limits::client()).expect("a connection");
        let mut compositor =
            Connection::new(far, signatures, Limits::server()).expect("a connection");
        let request = |id| Message::builder(ObjectId::DISPLAY, wl_display::GET_REGISTRY).new_id(id);
        let object = client.create("wl_shm", request).await.expect("the far end is there");
        compositor.receive().await.expect("a request").expect("it was sent");
        (client, compositor, object)
    });
    (runtime, client, compositor, object)
}

fn pools() -> Rounds {
    /// Requests of the first object with the opcode of `create_pool` have a descriptor.
    fn signatures(object: ObjectId, opcode: u16) -> usize {
        usize::from(object.get() == 2 && opcode == CREATE_POOL)
    }
    let (runtime, mut client, mut compositor, shm) = connected(signatures);
    assert_eq!(shm.get(), 2, "the first object");
    let mut fds: Vec<_> = (0..BATCH).map(|_| null()).collect();
    repeat(runtime, async move || {
        for fd in fds.drain(..) {
            let create = |id| Message::builder(shm, CREATE_POOL).new_id(id).fd(fd).int(4096);
            let pool = client.feed_create("wl_shm_pool", create).await;
            let pool = pool.expect("the far end is there");
            let destroy = Message::builder(pool, DESTROY_POOL).build().expect("a good request");
            client.feed(destroy).await.expect("the far end is there");
        }
        client.flush().await.expect("the far end is there");

        for _ in 0..BATCH {
            let mut create = compositor.receive().await.expect("a request").expect("it was sent");
            let mut arguments = create.read();
            let pool = arguments.new_id().expect("a number");
            fds.push(arguments.fd().expect("a descriptor"));
            assert_eq!(arguments.int().expect("a size"), 4096);
            arguments.finish().expect("that is all");
            compositor.receive().await.expect("a request").expect("it was sent");
            let delete = Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID);
            let delete = delete.uint(pool.get()).build().expect("a good event");
            compositor.feed(delete).await.expect("the near end is there");
        }
        // The client returns this event after it has applied the deletions.
        let event = Message::builder(shm, 0).uint(0).build().expect("a good event");
        compositor.send(event).await.expect("the near end is there");
        let event = client.receive().await.expect("an event").expect("it was sent");
        assert_eq!(event.object(), shm);
    })
}

fn damage() -> Rounds {
    let (runtime, mut client, mut compositor, surface) = connected(|_, _| 0);
    repeat(runtime, async move || {
        for number in 0..BATCH {
            let damage = Message::builder(surface, DAMAGE).int(0).int(0).int(1);
            let damage = damage.int(number as i32).build().expect("a good request");
            client.feed(damage).await.expect("the far end is there");
        }
        client.flush().await.expect("the far end is there");
        for _ in 0..BATCH {
            let mut damage = compositor.receive().await.expect("a request").expect("it was sent");
            let mut arguments = damage.read();
            let [_, _, width, _] = [(); 4].map(|()| arguments.int().expect("a number"));
            arguments.finish().expect("that is all");
            assert_eq!(width, 1);
        }
    })
}
