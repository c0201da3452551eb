//! The requests and events of the objects that every connection has.
//!
//! A message names its request or event by a number alone. Whoever sets up a connection needs those
//! of three interfaces, from the file `wayland.xml`, before any scanner has a say.

/// The display, which is object 1 of both ends from the start.
pub mod wl_display {
    /// A request for a callback: `new_id`, the `wl_callback`.
    pub const SYNC: u16 = 0;
    /// A request for a registry: `new_id`, the `wl_registry`.
    pub const GET_REGISTRY: u16 = 1;
    /// An event, the last: `object`, `uint` (the code), `string`.
    pub const ERROR: u16 = 0;
    /// An event: `uint`, the number of an object that the client may give again.
    pub const DELETE_ID: u16 = 1;
}

/// The list of what a compositor has.
pub mod wl_registry {
    /// A request for an object of a global: `uint` (its name), `new_id` of no named interface.
    pub const BIND: u16 = 0;
    /// An event: `uint` (the name), `string` (the interface), `uint` (the version).
    pub const GLOBAL: u16 = 0;
    /// An event: `uint`, the name of a global that is gone.
    pub const GLOBAL_REMOVE: u16 = 1;
}

/// What tells a client that all requests before it were handled.
pub mod wl_callback {
    /// An event, the only one: `uint`, which means nothing after `wl_display.sync`.
    pub const DONE: u16 = 0;
}
