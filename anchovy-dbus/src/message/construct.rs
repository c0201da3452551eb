//! Builders of each type of message.

use super::builder::MessageBuilder;
use super::content::Message;
use super::message_type::MessageType;

impl Message {
    /// Returns a builder for a message of any type, without header fields.
    ///
    /// See [`method_call`](Self::method_call), [`signal`](Self::signal),
    /// [`method_return`](Self::method_return) and [`error`](Self::error) for the defined types.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Message, MessageType};
    ///
    /// let later = Message::builder(MessageType::Unknown(5)).path("/").build()?;
    /// assert_eq!(later.header().message_type().code(), 5);
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn builder<'a>(message_type: MessageType) -> MessageBuilder<'a> {
        MessageBuilder::new(message_type)
    }

    /// Returns a builder for a method call.
    ///
    /// The specification recommends to set the [interface](MessageBuilder::interface) too.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
    ///     .destination("org.freedesktop.DBus")
    ///     .interface("org.freedesktop.DBus")
    ///     .build()?;
    /// assert_eq!(hello.header().member(), Some("Hello"));
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn method_call<'a>(path: &'a str, member: &'a str) -> MessageBuilder<'a> {
        Message::builder(MessageType::MethodCall).path(path).member(member)
    }

    /// Returns a builder for a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// let tick = Message::signal("/org/example", "org.example.Clock", "Tick").build()?;
    /// assert_eq!(tick.header().destination(), None); // A broadcast.
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn signal<'a>(path: &'a str, interface: &'a str, member: &'a str) -> MessageBuilder<'a> {
        Message::builder(MessageType::Signal).path(path).interface(interface).member(member)
    }

    /// Returns a builder for the reply to a call. Its destination is the sender of the call, and its
    /// `REPLY_SERIAL` is the serial of the call.
    ///
    /// If the call has no serial, [`build`](MessageBuilder::build) returns an error. Every received call
    /// has a serial.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// let call = Message::method_call("/", "Ping").sender(":1.7").serial(NonZeroU32::MIN).build()?;
    /// let answer = Message::method_return(&call).build()?;
    /// assert_eq!(answer.header().destination(), Some(":1.7"));
    /// assert_eq!(answer.header().reply_serial(), call.serial());
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn method_return(call: &Message) -> MessageBuilder<'_> {
        Message::answer(MessageType::MethodReturn, call)
    }

    /// Returns a builder for the error reply to a call. Its destination and its `REPLY_SERIAL` are set as by
    /// [`method_return`](Self::method_return).
    ///
    /// By convention, the first argument of the body is a string that describes the error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use anchovy_dbus::Message;
    ///
    /// # let call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN).build()?;
    /// let answer = Message::error(&call, "org.freedesktop.DBus.Error.Failed").build()?;
    /// assert_eq!(answer.header().error_name(), Some("org.freedesktop.DBus.Error.Failed"));
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn error<'a>(call: &'a Message, name: &'a str) -> MessageBuilder<'a> {
        Message::answer(MessageType::Error, call).error_name(name)
    }

    #[inline]
    fn answer(message_type: MessageType, call: &Message) -> MessageBuilder<'_> {
        let mut answer = Message::builder(message_type);
        if let Some(serial) = call.serial() {
            answer = answer.reply_serial(serial);
        }
        if let Some(sender) = call.header().sender() {
            answer = answer.destination(sender);
        }
        answer
    }

    /// Returns a builder with the header, serial and body of this message. Header fields that the
    /// specification does not define are left out. The descriptors are left out too: add them with
    /// [`fds`](MessageBuilder::fds).
    ///
    /// For example, a bus sets the sender of a message in this way before it forwards the message.
    ///
    /// # Examples
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    #[inline]
    pub fn rebuild(&self) -> MessageBuilder<'_> {
        MessageBuilder::like(self)
    }
}
