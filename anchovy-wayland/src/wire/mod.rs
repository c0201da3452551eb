//! The wire format: headers and arguments, in 32-bit words of native byte order.
//!
//! A message is a header of two words (the object; the length and the opcode) and its arguments, each
//! padded to a multiple of 4 bytes. The bytes do not contain the types of the arguments, which both sides
//! know from the protocol file. Descriptors form a queue that is separate from the bytes, in the order of
//! the arguments.

pub(crate) mod arguments;
pub(crate) mod body;
pub(crate) mod build_error;
pub(crate) mod fixed;
pub(crate) mod header;
pub(crate) mod message;
pub(crate) mod message_builder;
pub(crate) mod object_id;
pub(crate) mod wire_error;

pub use arguments::Arguments;
pub use build_error::BuildError;
pub use fixed::Fixed;
pub use message::Message;
pub use message_builder::MessageBuilder;
pub use object_id::ObjectId;
pub use wire_error::{WireError, WireErrorKind};

#[cfg(all(test, target_os = "linux"))]
mod testing;
#[cfg(all(test, target_os = "linux"))]
mod tests;
