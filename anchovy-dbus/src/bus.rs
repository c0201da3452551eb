//! The names of a bus.

use crate::message::content::Message;

/// The name of the bus itself (D-Bus Specification, "Message Bus Messages").
pub(crate) const BUS_NAME: &str = "org.freedesktop.DBus";

const BUS_PATH: &str = "/org/freedesktop/DBus";

/// The method that a client of a bus calls before it sends any other message.
pub(crate) const HELLO: &str = "Hello";

/// Returns a call of `Hello`.
pub(crate) fn hello_call() -> Message {
    Message::method_call(BUS_PATH, HELLO)
        .interface(BUS_NAME)
        .destination(BUS_NAME)
        .build()
        .expect("a path, three names and no body are a valid message")
}
