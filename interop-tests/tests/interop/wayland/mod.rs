//! Wayland: what every peer is asked to do, whichever end is ours.
//!
//! A client asks for the globals, makes pools of shared memory, and gets the keymaps of a keyboard;
//! a compositor has `wl_shm` and `wl_seat`, and as many keymaps as it is told. `client` and
//! `compositor` are ours; the libraries do the same in other words. Whole programs do what they do:
//! they meet our examples on a `desktop`, or each other through our spy (`spied`).

mod client;
mod compositor;
mod desktop;
pub(crate) mod libwayland;
mod spied;
pub(crate) mod sway;
pub(crate) mod wayland_rs;
pub(crate) mod waypipe;
pub(crate) mod weston;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anchovy_wayland::{ObjectId, Signatures};
use interop_tests::Identity;

/// What a library is asked to do, given its `compositor` and its `client`.
macro_rules! scenarios {
    ($compositor:ident, $client:ident) => {
        &[
            Scenario::new("a_client_receives_the_globals_of_the_peer", |transcript| {
                client::sees_globals($compositor, transcript);
            }),
            Scenario::new(
                "pools_reach_the_compositor_of_the_peer_with_their_files",
                |transcript| {
                    client::makes_pools($compositor, transcript);
                },
            ),
            Scenario::new("keymaps_of_the_peer_arrive_with_their_files", |transcript| {
                client::gets_keymaps($compositor, transcript);
            }),
            Scenario::new("a_client_of_the_peer_receives_the_globals", |transcript| {
                compositor::shows_globals($client, transcript);
            }),
            Scenario::new("pools_of_the_peer_arrive_with_their_files", |transcript| {
                compositor::takes_pools($client, transcript);
            }),
            Scenario::new("keymaps_reach_the_client_of_the_peer_with_their_files", |transcript| {
                compositor::gives_keymaps($client, transcript);
            }),
        ]
    };
}
pub(crate) use scenarios;

/// The counts of what goes in one flush: alone, as many as a peer reads at once (28, see
/// `MAX_FDS_OUT` of libwayland's connection.c), one more, and several times that.
const BURSTS: [usize; 4] = [1, 28, 29, 100];

/// What a peer has sent or seen, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) globals: Vec<(String, u32)>,
    pub(crate) pools: Vec<Identity>,
    pub(crate) keymaps: Vec<Identity>,
}

/// What their client is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Globals,
    /// So many pools, in one flush.
    Pools(usize),
    Keymaps,
}

/// Which interface each object has, as [`Signatures`]; kept by whoever makes the objects.
#[derive(Clone, Debug)]
struct Objects {
    interfaces: Rc<RefCell<HashMap<ObjectId, &'static str>>>,
    count: fn(&str, u16) -> usize,
}

impl Objects {
    fn new(count: fn(&str, u16) -> usize) -> Objects {
        Objects { interfaces: Rc::default(), count }
    }

    fn add(&self, object: ObjectId, interface: &'static str) {
        self.interfaces.borrow_mut().insert(object, interface);
    }

    fn of(&self, object: ObjectId) -> Option<&'static str> {
        self.interfaces.borrow().get(&object).copied()
    }
}

impl Signatures for Objects {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.of(object).map_or(0, |interface| (self.count)(interface, opcode))
    }
}
