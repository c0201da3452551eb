//! The examples as programs, on a bus.

#[cfg(feature = "zbus")]
mod bus_client;
mod dbus_spy;
mod dbus_spy_output;
#[cfg(feature = "zbus")]
mod get_name_owner;
#[allow(dead_code, reason = "the tests of examples without a bus use the rest of it")]
#[path = "../../examples/harness.rs"]
mod harness;
