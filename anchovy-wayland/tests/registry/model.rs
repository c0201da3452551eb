//! Tasks that create objects while another task receives, with a compositor that checks the order of ids.

use std::sync::Arc;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Connection, Limits, Message, Objects, OwnedWriteHalf};
use tokio::sync::Mutex;

use crate::harness::*;

const CREATE: u16 = 0;
const DESTROY: u16 = 1;
const END: u16 = 2;

/// Objects that each task creates.
const OBJECTS: u32 = 500;

/// The objects of a client as libwayland's server has them: an id is a free place of the array, or the
/// place after the last one.
#[derive(Default)]
struct StrictMap(Vec<bool>);

impl StrictMap {
    fn create(&mut self, id: u32) {
        let at = (id - 2) as usize;
        match self.0.get_mut(at) {
            Some(place) => assert!(!std::mem::replace(place, true), "{id} is in use"),
            None => {
                assert_eq!(at, self.0.len(), "{id} leaves a gap");
                self.0.push(true);
            }
        }
    }

    fn destroy(&mut self, id: u32) {
        assert!(std::mem::replace(&mut self.0[(id - 2) as usize], false), "{id} is not in use");
    }
}

/// Creates and destroys objects, and fails to create some.
async fn create_and_destroy(write_half: Arc<Mutex<OwnedWriteHalf<Objects>>>) {
    for number in 0..OBJECTS {
        let mut write = write_half.lock().await;
        if number % 3 == 0 {
            let request = |id| Message::builder(self::id(77), CREATE).new_id(id).string("\0");
            write.create("wl_surface", request).await.expect_err("it cannot be built");
        }
        let request = |id| Message::builder(self::id(77), CREATE).new_id(id);
        let id = write.create("wl_surface", request).await.expect("it is created");
        drop(write);
        // The other tasks run.
        tokio::task::yield_now().await;
        let destroy = Message::builder(self::id(77), DESTROY).uint(id.get());
        let mut write = write_half.lock().await;
        write.send(destroy.build().expect("short")).await.expect("it is sent");
    }
}

#[test]
fn concurrent_creates_leave_no_gap_and_reuse_no_id_in_use() {
    run_on_threads(async {
        let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
        let (mut read, write) =
            Connection::client(near, Limits::client()).expect("a client").into_split();
        let mut compositor = Connection::without_fds(far, Limits::server()).expect("a compositor");

        let strict = tokio::spawn(async move {
            let (mut map, mut most) = (StrictMap::default(), 0);
            loop {
                let mut request = compositor.receive().await.expect("no error").expect("a request");
                let opcode = request.opcode();
                if opcode == END {
                    return most;
                }
                let id = request.read().uint().expect("an id");
                most = most.max(id);
                if opcode == CREATE {
                    map.create(id);
                } else {
                    map.destroy(id);
                    let event = Message::builder(self::id(1), wl_display::DELETE_ID).uint(id);
                    compositor.send(event.build().expect("short")).await.expect("it is sent");
                }
            }
        });
        let receiving = tokio::spawn(async move {
            assert!(read.receive().await.expect("no error").is_none(), "no event is handed out");
        });
        let write = Arc::new(Mutex::new(write));
        let tasks = [(); 2].map(|()| tokio::spawn(create_and_destroy(Arc::clone(&write))));
        for task in tasks {
            task.await.expect("a task");
        }
        let end = Message::builder(id(77), END).build().expect("short");
        write.lock().await.send(end).await.expect("it is sent");
        let most = strict.await.expect("a strict compositor");
        assert!(most < 2 * OBJECTS, "{most}: ids were used again");
        receiving.await.expect("the reading task");
    });
}
