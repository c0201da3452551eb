//! A message from its bytes and descriptors.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use bytes::Bytes;

use super::build_error::BuildError;
use super::content::{Content, Message};
use super::error::MessageError;
use super::field::HeaderField;
use super::fields::Fields;
use super::frame::{FIXED_BYTES, Frame};
use crate::limits::Limits;

impl Message {
    /// Parses a message from all its bytes and its descriptors.
    ///
    /// Only the specification limits the length of the message. The time that this method takes is linear
    /// in the length of the header fields; see [`Limits::max_fields_bytes`].
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] with the descriptors if the header is not valid, or if the number of
    /// bytes or of descriptors is not the declared one. The bytes of the body are not checked.
    ///
    /// # Examples
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
    // Inlined, so that the message is created where it stays.
    #[inline]
    pub fn from_bytes(bytes: Bytes, fds: Vec<OwnedFd>) -> Result<Message, BuildError> {
        let mut message = Message::unparsed(bytes, fds);
        match message.content.parse(message.fds.len()) {
            Ok(()) => Ok(message),
            Err(error) => Err(BuildError { error, fds: message.take_fds() }),
        }
    }

    /// Creates a message that is not valid before it is [parsed](Self::parse_fields).
    #[inline]
    pub(crate) fn unparsed(bytes: Bytes, fds: Vec<OwnedFd>) -> Message {
        let (body, fields) = (OnceLock::new(), Fields::default());
        let content = Content { bytes, body, fields, head_length: 0, serial: None };
        Message { content, fds, rare: None }
    }

    /// Parses the header fields of an [`unparsed`](Self::unparsed) message with this frame. After an error,
    /// the message is not valid.
    ///
    /// # Errors
    ///
    /// Returns [`MessageError::Length`] if the number of bytes is not that of the frame, or the error of a
    /// header field.
    #[inline]
    pub(crate) fn parse_fields(&mut self, frame: &Frame) -> Result<(), MessageError> {
        self.content.parse_fields(frame)
    }
}

impl Content {
    /// Parses all bytes of a message with this number of descriptors.
    fn parse(&mut self, fds: usize) -> Result<(), MessageError> {
        let Some(frame) = Frame::read(&self.bytes, &Limits::SPECIFICATION)? else {
            return Err(MessageError::Length { declared: FIXED_BYTES, length: self.bytes.len() });
        };
        self.parse_fields(&frame)?;
        let declared = self.fields.number(HeaderField::UnixFds, &self.bytes).unwrap_or_default();
        if declared as usize == fds {
            Ok(())
        } else {
            Err(MessageError::FdCount { declared, present: fds })
        }
    }

    #[inline]
    fn parse_fields(&mut self, frame: &Frame) -> Result<(), MessageError> {
        if self.bytes.len() != frame.len() {
            let (declared, length) = (frame.len(), self.bytes.len());
            return Err(MessageError::Length { declared, length });
        }
        self.fields.read(frame, &self.bytes[..frame.head_length()])?;
        // A header has at most 2²⁶ + 16 bytes.
        (self.head_length, self.serial) = (frame.head_length() as u32, frame.serial);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// Parses a message with this header and this body.
    fn parse(head: Bytes, body: Bytes, limits: &Limits) -> Result<Message, MessageError> {
        let frame = Frame::read(&head, limits)?.expect("16 bytes");
        let mut message = Message::unparsed([head, body].concat().into(), Vec::new());
        message.parse_fields(&frame).map(|()| message)
    }

    /// Returns the header and the body of a message, as they would arrive.
    fn parts() -> (Bytes, Bytes) {
        let call = Message::method_call("/", "M").serial(NonZeroU32::MIN).body("ay", vec![0; 5]);
        let mut head = call.build().expect("a message").to_bytes().expect("a serial");
        let body = head.split_off(head.len() - 5);
        (head, body)
    }

    #[test]
    fn a_message_is_made_of_its_parts() {
        let (head, body) = parts();
        let message = parse(head, body, &Limits::client()).expect("a message");
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
            (head.slice(..16), body.clone()),
        ] {
            let length = head.len() + body.len();
            let refused = parse(head, body, &Limits::client()).unwrap_err();
            assert_eq!(refused, MessageError::Length { declared, length });
        }
    }

    #[test]
    fn parts_have_the_limits_that_they_are_given() {
        let (head, body) = parts();
        let limits = Limits { max_message_bytes: head.len() + 4, ..Limits::client() };
        let error = MessageError::TooLong { length: head.len() as u64 + 5, limit: head.len() + 4 };
        assert_eq!(parse(head, body, &limits).unwrap_err(), error);
    }
}
