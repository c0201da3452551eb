//! The bytes of a message.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::content::Message;
use super::error::MessageError;

/// Offset of the serial in a header.
const SERIAL: Range<usize> = 8..12;

impl Message {
    /// Returns all bytes of the message: the header with the serial, and the body.
    ///
    /// # Errors
    ///
    /// Returns [`MessageError::NoSerial`] if the message has no serial, or [`MessageError::FdCount`] if
    /// it has fewer descriptors than it declares.
    ///
    /// # Examples
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
        let mut bytes = BytesMut::with_capacity(self.len());
        self.encode(&mut bytes, true)?;
        Ok(bytes.freeze())
    }

    /// Appends the header with the serial to `out`, and after it the body if `with_body`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`to_bytes`](Self::to_bytes), and leaves `out` unchanged.
    #[inline]
    pub(crate) fn encode(&self, out: &mut BytesMut, with_body: bool) -> Result<(), MessageError> {
        let serial = self.serial().ok_or(MessageError::NoSerial)?;
        self.check_fds()?;
        let serial = self.header().byte_order().write(serial.get());
        let start = out.len();
        match self.head_and_body() {
            Some(bytes) if with_body => out.extend_from_slice(bytes),
            _ => {
                out.extend_from_slice(self.head());
                if with_body {
                    out.extend_from_slice(self.body_bytes());
                }
            }
        }
        out[start..][SERIAL].copy_from_slice(&serial);
        Ok(())
    }

    /// Returns an error unless the message has as many descriptors as the header declares.
    #[inline]
    pub(crate) fn check_fds(&self) -> Result<(), MessageError> {
        let (declared, present) = (self.header().unix_fds(), self.fds.len());
        if declared as usize == present {
            Ok(())
        } else {
            Err(MessageError::FdCount { declared, present })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use anchovy::Truncation;

    use super::*;

    #[test]
    fn a_header_is_appended_to_the_buffer() {
        let call = Message::method_call("/", "M").serial(NonZeroU32::MIN).body("ay", vec![0; 5]);
        let mut head = call.build().expect("a message").to_bytes().expect("a serial");
        let message = Message::from_bytes(head.clone(), Vec::new()).expect("a message");
        head.truncate(head.len() - 5);
        let mut out = BytesMut::from(&b"before"[..]);
        message.encode(&mut out, false).expect("a serial");
        assert_eq!(out, [&b"before"[..], &head].concat());
    }

    #[test]
    fn a_long_body_is_not_copied_into_the_message() {
        let body = Bytes::from(vec![7; 4096]);
        let call = Message::method_call("/", "M").body("ay", body.clone()).build();
        assert_eq!(call.expect("a message").body().as_ptr(), body.as_ptr());
    }

    #[test]
    fn nothing_is_written_of_a_message_without_a_serial() {
        let message = Message::method_call("/", "M").build().expect("a message");
        let mut out = BytesMut::from(&b"before"[..]);
        assert_eq!(message.encode(&mut out, false), Err(MessageError::NoSerial));
        assert_eq!(out, &b"before"[..]);
    }

    #[test]
    fn a_message_with_undelivered_descriptors_has_a_cause_and_is_not_encoded() {
        let null = std::fs::File::open("/dev/null").expect("a file");
        let built = Message::method_call("/", "M").serial(NonZeroU32::MIN).fd(null);
        let mut message = built.build().expect("a message");
        message.attach(Vec::new(), Some(Truncation::ProcessTableFull));
        assert_eq!(message.truncation(), Some(Truncation::ProcessTableFull));
        assert_eq!(message.header().unix_fds(), 1);
        let error = MessageError::FdCount { declared: 1, present: 0 };
        assert_eq!(message.encode(&mut BytesMut::new(), false), Err(error));
        assert!(format!("{message:?}").contains("ProcessTableFull"));
    }
}
