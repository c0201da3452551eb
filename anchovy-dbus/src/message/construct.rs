//! Builders of each type of message.

use super::builder::MessageBuilder;
use super::content::Message;
use super::message_type::MessageType;

impl Message {
    /// Begins a message of any type, without any field; see [`method_call`](Self::method_call) and
    /// the others for those that are defined.
    ///
    /// ```
    /// use anchovy_dbus::{Message, MessageType};
    ///
    /// let later = Message::builder(MessageType::Unknown(5)).path("/").build()?;
    /// assert_eq!(later.header().message_type().code(), 5);
    /// # Ok::<(), anchovy_dbus::BuildError>(())
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
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
    /// # Ok::<(), anchovy_dbus::BuildError>(())
    /// ```
    pub fn rebuild(&self) -> MessageBuilder<'_> {
        MessageBuilder::like(self)
    }
}
