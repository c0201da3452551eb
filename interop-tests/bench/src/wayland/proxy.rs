//! Roundtrips of a client, directly and through a proxy that forwards whole messages.
//!
//! The client, the compositor and the two directions of the proxy are each a task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{
    Connection, Limits, Message, ObjectId, OwnedReadHalf, OwnedWriteHalf, Signatures, fds,
};
use futures_util::FutureExt;
use tokio::net::UnixStream;

use super::ROUNDTRIPS;
use super::ours::{client, compositor, feed_sync, handle, receive_done};
use crate::work::{run, together};

pub(crate) fn roundtrip_direct() -> Duration {
    run(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        together(answer(far), roundtrips(client(near))).await
    })
}

pub(crate) fn roundtrip_through() -> Duration {
    run(async {
        let (first, near) = UnixStream::pair().expect("a pair");
        let (far, last) = UnixStream::pair().expect("a pair");
        proxy(near, far);
        together(answer(last), roundtrips(client(first))).await
    })
}

/// Measures roundtrips of a client on this socket.
pub(crate) async fn client_roundtrips(socket: UnixStream) -> Duration {
    roundtrips(client(socket)).await
}

async fn roundtrips(mut client: Connection) -> Duration {
    let start = Instant::now();
    for _ in 0..ROUNDTRIPS {
        let callback = feed_sync(&mut client).await;
        client.flush().await.expect("the far end is there");
        receive_done(&mut client, callback).await;
    }
    start.elapsed() / ROUNDTRIPS
}

/// Answers as a compositor does, until the client disconnects.
pub(crate) async fn answer(socket: UnixStream) {
    let mut compositor = compositor(socket);
    while let Some(request) = compositor.receive().await.expect("a request") {
        handle(&mut compositor, request).await;
        compositor.flush().await.expect("the near end is there");
    }
}

/// The objects of one client, shared by both directions.
type Interfaces = Arc<Mutex<HashMap<ObjectId, &'static str>>>;

/// The objects, as a `Signatures` source for one direction.
struct Direction {
    interfaces: Interfaces,
    count: fn(&str, u16) -> usize,
}

impl Signatures for Direction {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        let interfaces = self.interfaces.lock().expect("nobody panics with it");
        interfaces.get(&object).map_or(0, |interface| (self.count)(interface, opcode))
    }
}

fn proxy(client: UnixStream, compositor: UnixStream) {
    let interfaces = Interfaces::new(HashMap::from([(ObjectId::DISPLAY, "wl_display")]).into());
    let half = |socket, count| {
        let signatures = Direction { interfaces: interfaces.clone(), count };
        let limits = Limits { fds_with_their_message: true, ..Limits::default() };
        Connection::new(socket, signatures, limits).expect("a connection").into_split()
    };
    let (requests, to_client) = half(client, fds::requests);
    let (events, to_compositor) = half(compositor, fds::events);
    tokio::spawn(forward(requests, to_compositor, |request, interfaces| {
        if is_of_display(request, wl_display::SYNC) {
            let callback = request.read().new_id().expect("a number");
            interfaces.insert(callback, "wl_callback");
        }
    }));
    tokio::spawn(forward(events, to_client, |event, interfaces| {
        if is_of_display(event, wl_display::DELETE_ID) {
            let id = ObjectId::new(event.read().uint().expect("a number")).expect("not 0");
            interfaces.remove(&id);
        }
    }));
}

fn is_of_display(message: &Message, opcode: u16) -> bool {
    (message.object(), message.opcode()) == (ObjectId::DISPLAY, opcode)
}

/// Forwards messages. Those that arrived together are sent together, without waiting for more.
async fn forward(
    mut from: OwnedReadHalf<Direction>,
    mut to: OwnedWriteHalf,
    learn: fn(&mut Message, &mut HashMap<ObjectId, &'static str>),
) {
    while let Some(first) = from.receive().await.expect("a message") {
        let mut next = Some(first);
        while let Some(mut message) = next {
            learn(&mut message, &mut from.signatures().interfaces.lock().expect("as above"));
            // If the other end has disconnected, the reading half fails next.
            let _ = to.feed(message).await;
            next = from.receive().now_or_never().and_then(|next| next.expect("a message"));
        }
        let _ = to.flush().await;
    }
}
