//! The requests and events of the objects that every connection has.
//!
//! A message names its request or event by a number. Setting up a connection takes the numbers of three
//! interfaces of the file `wayland.xml`.

/// `wl_display`, which is object 1 of both ends from the start.
pub mod wl_display {
    /// A request for a callback: `new_id`, the `wl_callback`.
    pub const SYNC: u16 = 0;
    /// A request for a registry: `new_id`, the `wl_registry`.
    pub const GET_REGISTRY: u16 = 1;
    /// An event, the last one that a client receives: `object`, `uint` (the code), `string`.
    pub const ERROR: u16 = 0;
    /// An event: `uint`, an id that the client may use for a new object.
    pub const DELETE_ID: u16 = 1;
}

/// `wl_registry`, the list of the globals of a compositor.
pub mod wl_registry {
    /// A request for an object of a global: `uint` (its name), `new_id` of no named interface.
    pub const BIND: u16 = 0;
    /// An event: `uint` (the name), `string` (the interface), `uint` (the version).
    pub const GLOBAL: u16 = 0;
    /// An event: `uint`, the name of a global that was removed.
    pub const GLOBAL_REMOVE: u16 = 1;
}

/// `wl_callback`, which tells a client that all requests before it were handled.
pub mod wl_callback {
    /// An event, the only one: `uint`, which has no meaning after `wl_display.sync`.
    pub const DONE: u16 = 0;
}
