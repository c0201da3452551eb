//! What a message holds, and access to it.

use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use anchovy::{Charge, Truncation};
use bytes::{Bytes, BytesMut};

use super::fields::Fields;
use super::message_type::MessageType;

/// A message, with its descriptors.
///
/// Its header is valid as the specification says ("Message Protocol"), and can be [asked](crate::Header).
/// Its body is the bytes that its sender made of it: nobody has looked at them.
///
/// Dropping a message closes its descriptors.
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
/// // A connection does this for each message that it sends.
/// call.set_serial(NonZeroU32::MIN);
///
/// let answer = Message::method_return(&call).build()?;
/// assert_eq!(answer.header().reply_serial(), Some(NonZeroU32::MIN));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Message {
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    pub(super) fields: Fields,
    /// The serial; the one in `head` is ignored: it is 0 if the message was built.
    pub(super) serial: Option<NonZeroU32>,
    pub(super) fds: Vec<OwnedFd>,
    pub(super) truncation: Option<Truncation>,
    /// For the descriptors, if they are of a peer that has an account.
    pub(super) charge: Option<Charge>,
}

impl Message {
    /// The body: bytes that nobody has looked at, in the byte order of the message.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The serial, by which an answer refers to the message.
    ///
    /// A received message has that of its sender. A message that was built has none before a
    /// connection gives it one, or [`set_serial`](Self::set_serial) does.
    pub fn serial(&self) -> Option<NonZeroU32> {
        self.serial
    }

    /// Gives the message another serial.
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
    pub fn set_serial(&mut self, serial: NonZeroU32) {
        self.serial = Some(serial);
    }

    /// The descriptors; the body refers to them by their place in this order.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// Takes the descriptors out of the message, which still declares them: it cannot be sent
    /// without them, but [rebuilt](Self::rebuild).
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
        self.charge = None;
        std::mem::take(&mut self.fds)
    }

    /// The descriptors, for who sends them or counts them first.
    pub(crate) fn fds_mut(&mut self) -> &mut Vec<OwnedFd> {
        &mut self.fds
    }

    /// Why the kernel cut the descriptors of this message, if it did.
    ///
    /// Those that had arrived were closed, and [`fds`](Self::fds) is empty. Only a connection that
    /// is told to survive that hands over such messages.
    pub fn truncation(&self) -> Option<Truncation> {
        self.truncation
    }

    /// Gives a received message its descriptors, or none and the reason why the kernel cut them.
    pub(crate) fn attach(&mut self, fds: Vec<OwnedFd>, truncation: Option<Truncation>) {
        self.fds = fds;
        self.truncation = truncation;
    }

    /// Charges the descriptors to somebody, until they are taken.
    pub(crate) fn set_charge(&mut self, charge: Option<Charge>) {
        self.charge = charge;
    }

    /// Leaves the charge to whoever has the descriptors next.
    pub(crate) fn take_charge(&mut self) -> Option<Charge> {
        self.charge.take()
    }

    /// Gives the message the serial back that it had, or had not.
    pub(crate) fn restore_serial(&mut self, serial: Option<NonZeroU32>) {
        self.serial = serial;
    }

    /// Moves the bytes into memory of their own, out of that of the read they came with.
    pub(crate) fn detach(&mut self) {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.body);
        self.head = bytes.split_to(self.head.len()).freeze();
        self.body = bytes.freeze();
    }

    /// Returns the serial of the call that this message is the reply to, if it is one.
    pub(crate) fn replies_to(&self) -> Option<NonZeroU32> {
        let header = self.header();
        match header.message_type() {
            MessageType::MethodReturn | MessageType::Error => header.reply_serial(),
            _ => None,
        }
    }

    /// Returns the length of header and body together, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// Shows what the header says and how many descriptors there are. The body is not shown: it may be
/// long, or secret.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = f.debug_struct("Message");
        self.header().debug_fields(&mut output);
        if !self.fds.is_empty() {
            output.field("fds", &self.fds.len());
        }
        if let Some(truncation) = self.truncation {
            output.field("truncation", &truncation);
        }
        output.finish()
    }
}
