//! A message as a transport sees it: a header, which says where it goes, bytes, which are its
//! user's, and descriptors, which are its own. Whoever has one knows that its header is valid to the
//! last byte, and that it has as many descriptors as it says (D-Bus Specification, "Message
//! Protocol").

mod builder;
mod error;
mod field;
mod fields;
mod frame;
mod header;
mod kinds;
mod names;
mod reader;
mod signature;
mod value;

use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use anchovy::Truncation;
use bytes::{BufMut, Bytes, BytesMut};

pub use builder::MessageBuilder;
pub use error::{FieldError, MessageError, Refused};
pub use field::HeaderField;
use fields::Fields;
pub(crate) use frame::{Frame, frame};
pub use header::Header;
pub use kinds::{ByteOrder, Flags, MessageType};
pub use signature::SignatureError;

use crate::budget::Charge;
use crate::limits::Limits;

/// A message, with its descriptors.
///
/// Its header is valid as the specification says ("Message Protocol"), and can be [asked](Header).
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
///     .fds(vec![std::fs::File::open("/dev/null")?.into()])
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
    head: Bytes,
    body: Bytes,
    fields: Fields,
    /// That of the head is not looked at: it is 0 if the message was built.
    serial: Option<NonZeroU32>,
    fds: Vec<OwnedFd>,
    truncation: Option<Truncation>,
    /// Whom its descriptors are charged to, on a server.
    charge: Option<Charge>,
}

/// Where in a header the serial is.
const SERIAL: std::ops::Range<usize> = 8..12;

impl Message {
    /// Begins a message of any type, without any field; see [`method_call`](Self::method_call) and
    /// the others for those that are defined.
    ///
    /// ```
    /// use anchovy_dbus::{Message, MessageType};
    ///
    /// let later = Message::builder(MessageType::Unknown(5)).path("/").build()?;
    /// assert_eq!(later.header().message_type().code(), 5);
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn builder<'a>(message_type: MessageType) -> MessageBuilder<'a> {
        MessageBuilder::new(message_type)
    }

    /// Begins the call of a method.
    ///
    /// The specification recommends to name the [interface](MessageBuilder::interface) too.
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
    ///     .destination("org.freedesktop.DBus")
    ///     .interface("org.freedesktop.DBus")
    ///     .build()?;
    /// assert_eq!(hello.header().member(), Some("Hello"));
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn method_call<'a>(path: &'a str, member: &'a str) -> MessageBuilder<'a> {
        Message::builder(MessageType::MethodCall).path(path).member(member)
    }

    /// Begins a signal.
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// let tick = Message::signal("/org/example", "org.example.Clock", "Tick").build()?;
    /// assert_eq!(tick.header().destination(), None); // whoever has asked for it
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn signal<'a>(path: &'a str, interface: &'a str, member: &'a str) -> MessageBuilder<'a> {
        Message::builder(MessageType::Signal).path(path).interface(interface).member(member)
    }

    /// Begins the answer to a call: it goes to the sender of the call, with the serial of the call.
    ///
    /// A call without a serial was not received, nor sent: of the answer to one,
    /// [`build`](MessageBuilder::build) says that `REPLY_SERIAL` is missing.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// let call = Message::method_call("/", "Ping").sender(":1.7").serial(NonZeroU32::MIN).build()?;
    /// let answer = Message::method_return(&call).build()?;
    /// assert_eq!(answer.header().destination(), Some(":1.7"));
    /// assert_eq!(answer.header().reply_serial(), call.serial());
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn method_return(call: &Message) -> MessageBuilder<'_> {
        Message::answer(MessageType::MethodReturn, call)
    }

    /// Begins the answer to a call that failed, as [`method_return`](Self::method_return) does.
    ///
    /// If the body has something, it is by custom first a text that says what failed.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// # let call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN).build()?;
    /// let answer = Message::error(&call, "org.freedesktop.DBus.Error.Failed").build()?;
    /// assert_eq!(answer.header().error_name(), Some("org.freedesktop.DBus.Error.Failed"));
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn error<'a>(call: &'a Message, name: &'a str) -> MessageBuilder<'a> {
        Message::answer(MessageType::Error, call).error_name(name)
    }

    fn answer(message_type: MessageType, call: &Message) -> MessageBuilder<'_> {
        let mut answer = Message::builder(message_type);
        if let Some(serial) = call.serial {
            answer = answer.reply_serial(serial);
        }
        if let Some(sender) = call.header().sender() {
            answer = answer.destination(sender);
        }
        answer
    }

    /// Begins a message that is like this one, with the same serial and the same body, but without
    /// its descriptors and without the header fields that the specification does not know.
    ///
    /// That is how a bus passes messages on, having said whom they are from.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// # let mut call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN).build()?;
    /// let fds = call.take_fds();
    /// let passed_on = call.rebuild().sender(":1.7").fds(fds).build()?;
    /// assert_eq!(passed_on.header().sender(), Some(":1.7"));
    /// assert_eq!(passed_on.serial(), call.serial());
    /// # Ok::<(), anchovy_dbus::Refused>(())
    /// ```
    pub fn rebuild(&self) -> MessageBuilder<'_> {
        MessageBuilder::like(self)
    }

    /// A message of all its bytes, and its descriptors.
    ///
    /// # Errors
    ///
    /// Whatever the specification does not allow, in the header; that there are more bytes, or
    /// fewer, than the header says; that there are more descriptors, or fewer. Of the body, only the
    /// length is looked at. The descriptors are handed back.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::{Message, MessageError};
    ///
    /// let call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN).build()?;
    /// let bytes = call.to_bytes()?;
    /// assert_eq!(Message::from_bytes(bytes.clone(), Vec::new())?.header().member(), Some("Ping"));
    ///
    /// let null = std::fs::File::open("/dev/null")?;
    /// let refused = Message::from_bytes(bytes, vec![null.into()]).unwrap_err();
    /// assert_eq!(refused.error, MessageError::FdCount { declared: 0, present: 1 });
    /// assert_eq!(refused.fds.len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_bytes(bytes: Bytes, fds: Vec<OwnedFd>) -> Result<Message, Refused> {
        match Message::parse_whole(bytes) {
            Ok(mut message) => {
                message.attach(fds, None);
                match message.check_fds() {
                    Ok(()) => Ok(message),
                    Err(error) => Err(Refused { error, fds: message.take_fds() }),
                }
            }
            Err(error) => Err(Refused { error, fds }),
        }
    }

    fn parse_whole(mut bytes: Bytes) -> Result<Message, MessageError> {
        let length = bytes.len();
        // The limits of a client are those of the specification.
        let limits = Limits::client();
        let Some(frame) = frame(&bytes, &limits)? else {
            return Err(MessageError::Length { declared: frame::FIXED_BYTES, length });
        };
        // Fewer bytes than that are told from the parts.
        let head = bytes.split_to(frame.head_length.min(length));
        Message::parse(head, bytes, &limits)
    }

    /// A message of its header and its body, which are as long as its [`frame`] says.
    ///
    /// It has no descriptors yet: [`attach`](Self::attach) them.
    pub(crate) fn parse(
        head: Bytes,
        body: Bytes,
        limits: &Limits,
    ) -> Result<Message, MessageError> {
        let length = head.len().saturating_add(body.len());
        let Some(frame) = frame(&head, limits)? else {
            return Err(MessageError::Length { declared: frame::FIXED_BYTES, length });
        };
        if (head.len(), body.len()) != (frame.head_length, frame.body_length) {
            return Err(MessageError::Length { declared: frame.length(), length });
        }
        let fields = Fields::read(&head)?;
        let order = ByteOrder::from_byte(head[0]).unwrap_or(ByteOrder::NATIVE);
        let serial = frame::number(&head, SERIAL.start, order).and_then(NonZeroU32::new);
        Ok(Message { head, body, fields, serial, fds: Vec::new(), truncation: None, charge: None })
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

    /// Header and body together, in bytes.
    pub(crate) fn length(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Are there as many descriptors as the header says?
    pub(crate) fn check_fds(&self) -> Result<(), MessageError> {
        let (declared, present) = (self.fields.unix_fds, self.fds.len());
        if declared as usize == present {
            Ok(())
        } else {
            Err(MessageError::FdCount { declared, present })
        }
    }

    /// What the header says.
    pub fn header(&self) -> Header<'_> {
        Header { message: self }
    }

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
    /// # Ok::<(), anchovy_dbus::Refused>(())
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
    /// let mut message = Message::method_call("/", "Take").fds(vec![null.into()]).build()?;
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

    /// All bytes of the message: its header, with its serial, and its body.
    ///
    /// # Errors
    ///
    /// [`MessageError::NoSerial`] if the message has none; [`MessageError::FdCount`] if its
    /// descriptors were taken or cut, so that it declares more than there are.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::{ByteOrder, Message, MessageError};
    ///
    /// let builder = Message::method_call("/", "Ping").byte_order(ByteOrder::Little);
    /// let mut call = builder.build()?;
    /// assert_eq!(call.to_bytes(), Err(MessageError::NoSerial));
    /// call.set_serial(NonZeroU32::MIN);
    /// assert_eq!(call.to_bytes()?[..12], *b"l\x01\0\x01\0\0\0\0\x01\0\0\0");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Result<Bytes, MessageError> {
        let mut bytes = BytesMut::with_capacity(self.head.len() + self.body.len());
        self.encode_head(&mut bytes)?;
        bytes.put_slice(&self.body);
        Ok(bytes.freeze())
    }

    /// Writes the header, with the serial, to the end of `out`. The body is to follow.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes); nothing is written then.
    pub(crate) fn encode_head(&self, out: &mut BytesMut) -> Result<(), MessageError> {
        let serial = self.serial.ok_or(MessageError::NoSerial)?;
        self.check_fds()?;
        let serial = self.header().byte_order().write(serial.get());
        let start = out.len();
        out.extend_from_slice(&self.head);
        out[start..][SERIAL].copy_from_slice(&serial);
        Ok(())
    }
}

impl fmt::Debug for Message {
    /// The body is not shown: it may be long, or a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = f.debug_struct("Message");
        output.field("header", &self.header()).field("fds", &self.fds);
        if let Some(truncation) = self.truncation {
            output.field("truncation", &truncation);
        }
        output.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header and the body of a message, as they would arrive.
    fn parts() -> (Bytes, Bytes) {
        let call = Message::method_call("/", "M").serial(NonZeroU32::MIN).body("ay", vec![0; 5]);
        let mut head = call.build().expect("a message").to_bytes().expect("a serial");
        let body = head.split_off(head.len() - 5);
        (head, body)
    }

    #[test]
    fn a_message_is_made_of_its_parts() {
        let (head, body) = parts();
        let message = Message::parse(head, body, &Limits::client()).expect("a message");
        assert_eq!(message.header().member(), Some("M"));
        assert_eq!(message.serial(), Some(NonZeroU32::MIN));
        assert_eq!(message.body().len(), 5);
    }

    #[test]
    fn parts_are_as_long_as_their_header_says() {
        let (head, body) = parts();
        let declared = head.len() + 5;
        for (head, body) in [
            (head.clone(), body.slice(1..)),
            (head.clone(), Bytes::from_static(&[0; 6])),
            (head.slice(..head.len() - 1), Bytes::from_static(&[0; 6])),
            (head.slice(..16), body.clone()),
        ] {
            let length = head.len() + body.len();
            let refused = Message::parse(head, body, &Limits::client()).unwrap_err();
            assert_eq!(refused, MessageError::Length { declared, length });
        }
    }

    #[test]
    fn parts_have_the_limits_that_they_are_given() {
        let (head, body) = parts();
        let limits = Limits { max_message_bytes: head.len() + 4, ..Limits::client() };
        let error = MessageError::TooLong { length: head.len() as u64 + 5, limit: head.len() + 4 };
        assert_eq!(Message::parse(head, body, &limits).unwrap_err(), error);
    }

    #[test]
    fn a_header_is_written_behind_what_is_there() {
        let (head, body) = parts();
        let message = Message::parse(head.clone(), body, &Limits::client()).expect("a message");
        let mut out = BytesMut::from(&b"before"[..]);
        message.encode_head(&mut out).expect("a serial");
        assert_eq!(out, [&b"before"[..], &head].concat());
    }

    #[test]
    fn nothing_is_written_of_a_message_without_a_serial() {
        let message = Message::method_call("/", "M").build().expect("a message");
        let mut out = BytesMut::from(&b"before"[..]);
        assert_eq!(message.encode_head(&mut out), Err(MessageError::NoSerial));
        assert_eq!(out, &b"before"[..]);
    }

    #[test]
    fn a_message_that_was_cut_says_why_and_is_not_written() {
        let null = std::fs::File::open("/dev/null").expect("a file");
        let built = Message::method_call("/", "M").serial(NonZeroU32::MIN).fds(vec![null.into()]);
        let mut message = built.build().expect("a message");
        message.attach(Vec::new(), Some(Truncation::ProcessTableFull));
        assert_eq!(message.truncation(), Some(Truncation::ProcessTableFull));
        assert_eq!(message.header().unix_fds(), 1);
        let error = MessageError::FdCount { declared: 1, present: 0 };
        assert_eq!(message.encode_head(&mut BytesMut::new()), Err(error));
        assert!(format!("{message:?}").contains("ProcessTableFull"));
    }
}
