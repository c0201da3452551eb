//! The fuzz targets. Each module has a function `target`, which panics if the bytes are a finding.
//!
//! `cargo xtask fuzz` runs them with libFuzzer. The test `corpus` runs them on the corpora with a
//! stable compiler. No target depends on anything but its bytes.

mod auth;
pub mod codec_model;
pub mod control_messages;
pub mod dbus_address;
pub mod dbus_client_auth;
pub mod dbus_message;
pub mod dbus_server_auth;
pub mod exchange_model;
mod input;
mod kernel;
mod token;
pub mod wayland_wire;

/// A target, with its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("codec_model", codec_model::target),
    ("control_messages", control_messages::target),
    ("dbus_address", dbus_address::target),
    ("dbus_client_auth", dbus_client_auth::target),
    ("dbus_message", dbus_message::target),
    ("dbus_server_auth", dbus_server_auth::target),
    ("exchange_model", exchange_model::target),
    ("wayland_wire", wayland_wire::target),
];
