//! Wayland over Unix sockets.
#![deny(unsafe_code)]
mod codec;
mod connection;
mod display;
mod error;
pub mod fds;
mod globals;
mod handshake;
mod ids;
mod limits;
pub mod opcodes;
mod registry;
mod wire;

pub use codec::Signatures;
pub use connection::{Connection, ConnectionParts, ReadHalf, WriteHalf};
pub use display::DisplayError;
pub use error::{Place, ReceiveError, SendError, SendFault, WireError, WireFault};
pub use globals::{AddError, Answer, Bind, Globals, MAX_REGISTRIES, Registries};
pub use handshake::{MAX_HANDSHAKE_BYTES, MAX_HANDSHAKE_FDS, RegistryError};
pub use ids::ClientIds;
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use registry::{BindError, Global, MAX_GLOBALS, Registry, RegistryUpdate};
pub use wire::{Arguments, BuildError, Fixed, Message, MessageBuilder, ObjectId};
