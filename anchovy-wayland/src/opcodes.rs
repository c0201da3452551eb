//! The opcodes that are required to set up a connection.
//!
//! An opcode is the number of a request or event in its interface. These are the opcodes of three
//! interfaces of the protocol file `wayland.xml`.

/// `wl_display`, which is object 1 on both sides from the start.
pub mod wl_display {
    /// Request. Creates a callback. Arguments: `new_id` (the `wl_callback`).
    pub const SYNC: u16 = 0;
    /// Request. Creates a registry. Arguments: `new_id` (the `wl_registry`).
    pub const GET_REGISTRY: u16 = 1;
    /// Event. Reports an error; no event follows. Arguments: `object`, `uint` (the code), `string`.
    pub const ERROR: u16 = 0;
    /// Event. Frees an id. Arguments: `uint` (the id).
    pub const DELETE_ID: u16 = 1;
}

/// `wl_registry`, the list of the globals of a compositor.
pub mod wl_registry {
    /// Request. Binds a global. Arguments: `uint` (the name), `new_id` whose interface the protocol file does
    /// not specify.
    pub const BIND: u16 = 0;
    /// Event. Announces a global. Arguments: `uint` (the name), `string` (the interface), `uint` (the
    /// version).
    pub const GLOBAL: u16 = 0;
    /// Event. Announces that a global was removed. Arguments: `uint` (the name).
    pub const GLOBAL_REMOVE: u16 = 1;
}

/// `wl_callback`, the result of `wl_display.sync`.
pub mod wl_callback {
    /// Event. The compositor has handled all requests before `sync`. Arguments: `uint` (unspecified).
    pub const DONE: u16 = 0;
}
