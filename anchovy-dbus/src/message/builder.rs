//! Building a message.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use bytes::Bytes;
#[cfg(feature = "zbus")]
use serde::Serialize;
#[cfg(feature = "zbus")]
use zbus::wire::DynamicType;

#[cfg(feature = "zbus")]
use super::body_error::BodyError;
#[cfg(feature = "zbus")]
use super::body_value::EncodedBody;
use super::build_error::BuildError;
use super::byte_order::ByteOrder;
use super::content::Message;
#[cfg(feature = "zbus")]
use super::error::MessageError;
use super::flags::Flags;
use super::head_parts::HeadParts;
use super::message_type::MessageType;
#[cfg(doc)]
use crate::limits::Limits;

/// A builder for a [`Message`].
///
/// [`build`](Self::build) checks names and paths.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{Flags, Message};
///
/// let call = Message::method_call("/org/example", "Forget")
///     .destination("org.example.Service")
///     .interface("org.example.Memory")
///     .flags(Flags::NO_REPLY_EXPECTED)
///     .body("u", 7_u32.to_ne_bytes().to_vec())
///     .build()?;
/// # Ok::<(), anchovy_dbus::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MessageBuilder<'a> {
    head: HeadParts<'a>,
    serial: Option<NonZeroU32>,
    body: Body<'a>,
    fds: Vec<OwnedFd>,
}

/// The body of a message that is built.
#[derive(Debug)]
enum Body<'a> {
    Bytes {
        signature: &'a str,
        bytes: Bytes,
    },
    #[cfg(feature = "zbus")]
    Value(Result<EncodedBody, BodyError>),
}

impl<'a> MessageBuilder<'a> {
    #[inline]
    pub(super) fn new(message_type: MessageType) -> MessageBuilder<'a> {
        MessageBuilder {
            head: HeadParts::new(message_type),
            serial: None,
            body: Body::Bytes { signature: "", bytes: Bytes::new() },
            fds: Vec::new(),
        }
    }

    /// Creates a builder with the header and body of a message, without its descriptors.
    #[inline]
    pub(super) fn like(message: &'a Message) -> MessageBuilder<'a> {
        let header = message.header();
        MessageBuilder {
            head: HeadParts::from_header(header),
            serial: header.serial(),
            body: Body::Bytes { signature: header.signature(), bytes: message.body().clone() },
            fds: Vec::new(),
        }
    }

    /// Sets the byte order of all numbers, in the body too. Default: that of this machine.
    ///
    /// A value of `body_of` is converted to this byte order. The bytes of any other body are not
    /// converted: they must already have this byte order.
    #[inline]
    pub fn byte_order(mut self, byte_order: ByteOrder) -> Self {
        self.head.byte_order = byte_order;
        self
    }

    /// Sets the flags. Default: none.
    #[inline]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.head.flags = flags;
        self
    }

    /// Sets the serial. Default: the connection chooses it when the message is sent.
    #[inline]
    pub fn serial(mut self, serial: NonZeroU32) -> Self {
        self.serial = Some(serial);
        self
    }

    /// Sets the path of the object that is called or that sends the signal.
    #[inline]
    pub fn path(mut self, path: &'a str) -> Self {
        self.head.path = Some(path);
        self
    }

    /// Sets the interface of the method or the signal.
    #[inline]
    pub fn interface(mut self, interface: &'a str) -> Self {
        self.head.interface = Some(interface);
        self
    }

    /// Sets the name of the method or the signal.
    #[inline]
    pub fn member(mut self, member: &'a str) -> Self {
        self.head.member = Some(member);
        self
    }

    /// Sets the name of the error.
    #[inline]
    pub fn error_name(mut self, error_name: &'a str) -> Self {
        self.head.error_name = Some(error_name);
        self
    }

    /// Sets the bus name of the receiver.
    #[inline]
    pub fn destination(mut self, destination: &'a str) -> Self {
        self.head.destination = Some(destination);
        self
    }

    /// Sets the bus name of the sender. A bus overwrites it.
    #[inline]
    pub fn sender(mut self, sender: &'a str) -> Self {
        self.head.sender = Some(sender);
        self
    }

    /// Sets the serial of the call that this message replies to.
    #[inline]
    pub fn reply_serial(mut self, reply_serial: NonZeroU32) -> Self {
        self.head.reply_serial = Some(reply_serial);
        self
    }

    /// Sets the body: its signature, and its bytes in the byte order of the message.
    ///
    /// The signature is checked. The bytes are not compared with it.
    #[inline]
    pub fn body(self, signature: &'a str, body: impl Into<Bytes>) -> Self {
        // If the conversion panics, the parts that have to be dropped are dropped one by one, so that the
        // compiler need not keep the builder in memory.
        let MessageBuilder { head, serial, body: replaced, fds } = self;
        let bytes = body.into();
        drop(replaced);
        MessageBuilder { head, serial, body: Body::Bytes { signature, bytes }, fds }
    }

    /// Sets the body to a value (feature `zbus`).
    ///
    /// The fields of a tuple or a struct are the arguments of the message. Any other value is the only
    /// argument. If a struct is the only argument, write `&(value,)`. For no arguments, write `&()`.
    ///
    /// The body has the byte order of the message, even if that is set later. If the value cannot be
    /// encoded, [`build`](Self::build) returns the error.
    ///
    /// Descriptors in the value (type `h`, such as [`zbus::Fd`] and [`zbus::OwnedFd`]) are duplicated
    /// (`F_DUPFD_CLOEXEC`), so the value keeps its own. In the message, the duplicates follow the
    /// descriptors that were added to the builder before the body, and precede those added later.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    /// use zbus::Fd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = std::fs::File::open("/dev/null")?;
    /// let call = Message::method_call("/org/example", "Print")
    ///     .destination("org.example.Printer")
    ///     .body_of(&("two copies", 2_u32, Fd::from(&file)))
    ///     .build()?;
    /// assert_eq!(call.header().signature(), "suh");
    /// assert_eq!(call.fds().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "zbus")]
    #[inline]
    pub fn body_of<T: Serialize + DynamicType + ?Sized>(mut self, value: &T) -> Self {
        self.body = Body::Value(EncodedBody::new(value, self.head.byte_order, &self.fds));
        self
    }

    /// Adds a descriptor at the end. The body refers to it by its index.
    ///
    /// The header field `UNIX_FDS` becomes the number of descriptors, which [`Limits::max_sent_fds`]
    /// limits.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let call = Message::method_call("/", "Take").fd(std::fs::File::open("/dev/null")?).build()?;
    /// assert_eq!(call.header().unix_fds(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn fd(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.fds.push(fd.into());
        self
    }

    /// Adds descriptors at the end, in order; see [`fd`](Self::fd).
    #[inline]
    pub fn fds(mut self, fds: impl IntoIterator<Item = impl Into<OwnedFd>>) -> Self {
        self.fds.extend(fds.into_iter().map(Into::into));
        self
    }

    /// Builds the message.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] with the added descriptors if the message is not valid, or if the value
    /// of the body cannot be encoded. The rules are those for received messages, except that the message
    /// needs no serial.
    // This and the setters are inlined, so that neither the builder nor the message is moved.
    #[inline]
    pub fn build(self) -> Result<Message, BuildError> {
        let MessageBuilder { head, serial, body, fds } = self;
        match body {
            Body::Bytes { signature, bytes } => {
                match head.write(signature, bytes, fds.len(), serial) {
                    Ok(content) => Ok(Message { content, fds, rare: None }),
                    Err(error) => Err(BuildError { error, fds }),
                }
            }
            #[cfg(feature = "zbus")]
            Body::Value(encoded) => build_value(&head, serial, encoded, fds),
        }
    }
}

/// Builds a message whose body is a value.
#[cfg(feature = "zbus")]
fn build_value(
    head: &HeadParts<'_>,
    serial: Option<NonZeroU32>,
    encoded: Result<EncodedBody, BodyError>,
    mut fds: Vec<OwnedFd>,
) -> Result<Message, BuildError> {
    let taken = encoded.map_err(MessageError::from).and_then(|mut encoded| {
        let bytes = encoded.take_bytes(head.byte_order)?;
        Ok((encoded, bytes))
    });
    let (mut encoded, bytes) = match taken {
        Ok(taken) => taken,
        Err(error) => return Err(BuildError { error, fds }),
    };
    let count = fds.len() + encoded.fds.len();
    match head.write(encoded.signature(), bytes, count, serial) {
        Ok(content) => {
            fds.splice(encoded.before..encoded.before, encoded.fds.drain(..));
            Ok(Message { content, fds, rare: None })
        }
        // The caller has added only these.
        Err(error) => Err(BuildError { error, fds }),
    }
}
