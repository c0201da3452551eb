//! The type of a message, and access to its parts.

use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use anchovy::{Charge, Truncation};
use bytes::{Bytes, BytesMut};

use super::fields::Fields;
use super::message_type::MessageType;

/// A message with its descriptors.
///
/// The [header](crate::Header) is valid (D-Bus Specification, "Message Protocol"). The bytes of the body
/// are not checked. Dropping a message closes its descriptors.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroU32;
///
/// use anchovy_dbus::Message;
///
/// let mut call = Message::method_call("/org/example", "Open")
///     .destination("org.example.Files")
///     .fd(std::fs::File::open("/dev/null")?)
///     .body("h", 0_u32.to_ne_bytes().to_vec())
///     .build()?;
///
/// // A connection sets the serial of each message that it sends.
/// call.set_serial(NonZeroU32::MIN);
///
/// let answer = Message::method_return(&call).build()?;
/// assert_eq!(answer.header().reply_serial(), Some(NonZeroU32::MIN));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Message {
    pub(super) content: Content,
    pub(super) fds: Vec<OwnedFd>,
    /// Boxed, because few messages have it, and a message is moved several times.
    pub(super) rare: Option<Box<Rare>>,
}

/// A message without its descriptors.
pub(super) struct Content {
    /// The header. After it, the body of a received message, or a short body of a built one.
    pub(super) bytes: Bytes,
    /// A long body of a built message. Any other body is stored when it is used, because sharing the memory
    /// of `bytes` takes two atomic operations.
    pub(super) body: OnceLock<Bytes>,
    pub(super) fields: Fields,
    /// Number of bytes of the header, which are at most 2²⁶ + 16.
    pub(super) head_length: u32,
    /// The serial. The one in `bytes` is ignored, and is 0 if the message was built.
    pub(super) serial: Option<NonZeroU32>,
}

/// The parts that few messages have.
#[derive(Default)]
pub(super) struct Rare {
    truncation: Option<Truncation>,
    /// The charge for the descriptors, if their peer has an account.
    charge: Option<Charge>,
}

impl Message {
    /// Memory in bytes of a message, besides its bytes and the list of its descriptors.
    pub(crate) const MEMORY: usize = size_of::<Message>() + size_of::<Rare>();

    /// Returns the bytes of the body, in the byte order of the message. They are not checked.
    #[inline]
    pub fn body(&self) -> &Bytes {
        let Content { bytes, body, head_length, .. } = &self.content;
        body.get_or_init(|| bytes.slice(*head_length as usize..))
    }

    /// Returns the bytes of the header.
    #[inline]
    pub(super) fn head(&self) -> &[u8] {
        &self.content.bytes[..self.content.head_length as usize]
    }

    /// Returns the bytes of the header and of the body after it, if they are in one piece of memory.
    #[inline]
    pub(super) fn head_and_body(&self) -> Option<&[u8]> {
        let Content { bytes, head_length, .. } = &self.content;
        (bytes.len() > *head_length as usize).then_some(bytes)
    }

    /// Returns the bytes of the body without sharing their memory.
    #[inline]
    pub(crate) fn body_bytes(&self) -> &[u8] {
        match self.content.body.get() {
            Some(body) => body,
            None => &self.content.bytes[self.content.head_length as usize..],
        }
    }

    /// Returns the serial, which the reply to the message contains.
    ///
    /// A received message has the serial that its sender chose. A built message has none, unless
    /// [`MessageBuilder::serial`](crate::MessageBuilder::serial) or [`set_serial`](Self::set_serial)
    /// sets it. The connection assigns a serial to a message that has none, and
    /// [`send`](crate::Connection::send) returns it.
    #[inline]
    pub fn serial(&self) -> Option<NonZeroU32> {
        self.content.serial
    }

    /// Sets the serial.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// let mut call = Message::method_call("/", "Ping").build()?;
    /// assert_eq!(call.serial(), None);
    /// call.set_serial(NonZeroU32::MIN);
    /// assert_eq!(call.header().serial(), Some(NonZeroU32::MIN));
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn set_serial(&mut self, serial: NonZeroU32) {
        self.content.serial = Some(serial);
    }

    /// Returns the descriptors. The body refers to them by their index.
    #[inline]
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// Takes the descriptors out of the message.
    ///
    /// The header still declares them, so the message cannot be sent afterwards. To send it,
    /// [rebuild](Self::rebuild) it.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// let null = std::fs::File::open("/dev/null")?;
    /// let mut message = Message::method_call("/", "Take").fd(null).build()?;
    /// assert_eq!(message.take_fds().len(), 1);
    /// assert_eq!(message.fds().len(), 0);
    /// assert_eq!(message.header().unix_fds(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        self.set_charge(None);
        std::mem::take(&mut self.fds)
    }

    /// Returns the descriptors mutably, for the encoder.
    #[inline]
    pub(crate) fn fds_mut(&mut self) -> &mut Vec<OwnedFd> {
        &mut self.fds
    }

    /// Returns the reason if the kernel did not deliver all descriptors of this message, or `None`.
    ///
    /// In such a message, [`fds`](Self::fds) is empty: the descriptors that the kernel delivered were
    /// closed. Only a server receives such messages.
    pub fn truncation(&self) -> Option<Truncation> {
        self.rare.as_ref()?.truncation
    }

    /// Adds the descriptors to a received message, or none and the reason of the truncation.
    pub(crate) fn attach(&mut self, fds: Vec<OwnedFd>, truncation: Option<Truncation>) {
        self.fds = fds;
        if truncation.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().truncation = truncation;
        }
    }

    /// Sets the charge for the descriptors, which ends when they are taken.
    pub(crate) fn set_charge(&mut self, charge: Option<Charge>) {
        if charge.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().charge = charge;
        }
    }

    /// Takes the charge for the descriptors.
    pub(crate) fn take_charge(&mut self) -> Option<Charge> {
        self.rare.as_mut()?.charge.take()
    }

    /// Sets the serial, or removes it.
    pub(crate) fn restore_serial(&mut self, serial: Option<NonZeroU32>) {
        self.content.serial = serial;
    }

    /// Copies the bytes into their own memory, so that the message does not keep the memory of a read.
    pub(crate) fn detach(&mut self) {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.extend_from_slice(self.head());
        bytes.extend_from_slice(self.body_bytes());
        (self.content.bytes, self.content.body) = (bytes.freeze(), OnceLock::new());
    }

    /// Returns the serial of the call that this message is the reply to, if it is one.
    #[inline]
    pub(crate) fn replies_to(&self) -> Option<NonZeroU32> {
        let header = self.header();
        match header.message_type() {
            MessageType::MethodReturn | MessageType::Error => header.reply_serial(),
            _ => None,
        }
    }

    /// Returns the length of header and body together, in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.head().len() + self.body_bytes().len()
    }
}

/// Writes the header and the number of descriptors. The body is not written, because it may be long or
/// secret.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = f.debug_struct("Message");
        self.header().debug_fields(&mut output);
        if !self.fds.is_empty() {
            output.field("fds", &self.fds.len());
        }
        if let Some(truncation) = self.truncation() {
            output.field("truncation", &truncation);
        }
        output.finish()
    }
}
