//! Wayland: the scenarios that all peers run.
//!
//! A client requests the globals, creates pools of shared memory and receives the keymaps of a
//! keyboard. A compositor has `wl_shm` and `wl_seat`, and a requested number of keymaps. `client`
//! and `compositor` use anchovy-wayland, `framed_client` uses tokio-util on anchovy, and the libraries
//! do the same. Whole programs run with
//! the examples on a `desktop`, or with each other through the spy (`spied`) or a copy (`copied`).

mod client;
mod compositor;
mod copied;
mod desktop;
mod framed_client;
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

/// Lists the scenarios of a library, for its compositor and its client, and further ones.
macro_rules! scenarios {
    ($compositor:ident, $client:ident $(, $further:expr)* $(,)?) => {
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
            Scenario::new("pools_of_a_framed_client_arrive_with_their_files", |transcript| {
                framed_client::makes_pools($compositor, transcript);
            }),
            Scenario::new("keymaps_that_pile_up_reach_a_framed_client", |transcript| {
                framed_client::lets_keymaps_pile_up($compositor, transcript);
            }),
            $($further,)*
        ]
    };
}
pub(crate) use scenarios;

/// Numbers of descriptors in one flush: one, the maximum that a peer reads at once (28, see
/// `MAX_FDS_OUT` in connection.c of libwayland), one more, and several times as many.
const BURSTS: [usize; 4] = [1, 28, 29, 100];

/// The messages that a peer has sent or received, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) globals: Vec<(String, u32)>,
    pub(crate) pools: Vec<Identity>,
    pub(crate) keymaps: Vec<Identity>,
}

/// The work of the peer's client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Globals,
    /// Creates this number of pools in one flush.
    Pools(usize),
    Keymaps,
}

/// The interface of each object, as a [`Signatures`] source. The creator of the objects maintains
/// it.
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

    fn interface_of(&self, object: ObjectId) -> Option<&'static str> {
        self.interfaces.borrow().get(&object).copied()
    }
}

impl Signatures for Objects {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.interface_of(object).map_or(0, |interface| (self.count)(interface, opcode))
    }
}
