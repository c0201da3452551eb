//! Messages: a header, a body of bytes, and descriptors. The header is valid, and a received message
//! has as many descriptors as its header declares (D-Bus Specification, "Message Protocol").

#[cfg(feature = "zbus")]
mod body_as;
#[cfg(feature = "zbus")]
pub(crate) mod body_error;
#[cfg(feature = "zbus")]
mod body_value;
pub(crate) mod build_error;
mod builder;
mod byte_order;
mod construct;
pub(crate) mod content;
mod encode;
pub(crate) mod error;
pub(crate) mod field;
pub(crate) mod field_error;
mod fields;
mod first_string;
pub(crate) mod flags;
pub(crate) mod frame;
mod head_parts;
mod header;
pub(crate) mod message_type;
pub(crate) mod names;
mod parse;
mod reader;
pub(crate) mod refused_value;
pub(crate) mod signature;
#[cfg(feature = "zbus")]
mod swap;
mod value;

#[cfg(feature = "zbus")]
pub use body_error::BodyError;
pub use build_error::BuildError;
pub use builder::MessageBuilder;
pub use byte_order::ByteOrder;
pub use content::Message;
pub use error::MessageError;
pub use field::HeaderField;
pub use field_error::FieldError;
pub use flags::Flags;
pub use header::Header;
pub use message_type::MessageType;
pub use refused_value::RefusedValue;
pub use signature::SignatureError;
