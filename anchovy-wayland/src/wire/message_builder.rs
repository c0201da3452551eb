//! A builder for messages.

use std::mem::{ManuallyDrop, take};
use std::os::fd::OwnedFd;

use super::body::BodyBuilder;
use super::build_error::BuildError;
use super::fixed::Fixed;
use super::header::{HEADER_BYTES, LONGEST_MESSAGE};
use super::message::Message;
use super::object_id::ObjectId;
use super::wire_error::{WireError, WireErrorKind};

/// A builder for a [`Message`].
///
/// Each method appends an argument. [`build`](Self::build) returns the first error of all arguments.
#[derive(Debug)]
#[must_use = "`build` returns the message"]
pub struct MessageBuilder {
    object: ObjectId,
    opcode: u16,
    arguments: BodyBuilder,
    /// Number of bytes of arguments that were not written, because the message is too long.
    left_out: usize,
    fds: Vec<OwnedFd>,
    /// The last `new_id` argument.
    new_id: Option<ObjectId>,
    /// The first error.
    error: Option<WireErrorKind>,
}

impl Message {
    /// Returns a builder for a message of this object. `opcode` is the number of the request or event in its
    /// interface, from 0.
    #[inline]
    pub fn builder(object: ObjectId, opcode: u16) -> MessageBuilder {
        let (arguments, fds) = (BodyBuilder::default(), Vec::new());
        MessageBuilder { object, opcode, arguments, left_out: 0, fds, new_id: None, error: None }
    }
}

impl MessageBuilder {
    /// Appends an `int`.
    #[inline]
    pub fn int(self, number: i32) -> Self {
        self.uint(number as u32)
    }

    /// Appends a `uint`.
    #[inline]
    pub fn uint(self, number: u32) -> Self {
        // Appending a word does not panic. Without a builder to drop if it did, the compiler keeps the
        // builder in registers.
        let mut this = ManuallyDrop::new(self);
        this.arguments.put(number.to_ne_bytes());
        ManuallyDrop::into_inner(this)
    }

    /// Appends a `fixed`.
    #[inline]
    pub fn fixed(self, number: Fixed) -> Self {
        self.int(number.to_bits())
    }

    /// Appends an `object`. `None` is null, which is valid only if the protocol file allows it.
    #[inline]
    pub fn object(self, object: impl Into<Option<ObjectId>>) -> Self {
        self.uint(object.into().map_or(0, ObjectId::get))
    }

    /// Appends a `new_id` whose interface the protocol file specifies.
    #[inline]
    pub fn new_id(mut self, id: ObjectId) -> Self {
        self.new_id = Some(id);
        self.uint(id.get())
    }

    /// Appends a `new_id` whose interface the protocol file does not specify, as in `wl_registry.bind`.
    pub fn untyped_new_id(self, interface: &str, version: u32, id: ObjectId) -> Self {
        self.string(interface).uint(version).new_id(id)
    }

    /// Appends a `string`, which must not contain a NUL. The protocol requires UTF-8, which this method does
    /// not check.
    pub fn string(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        if text.contains(&0) {
            self.error.get_or_insert(WireErrorKind::StringWithNul);
        }
        self.put_sized(text, text.len() + 1);
        self
    }

    /// Appends a null `string`, which is valid only if the protocol file allows it.
    pub fn null_string(self) -> Self {
        self.uint(0)
    }

    /// Appends an `array`.
    pub fn array(mut self, bytes: &[u8]) -> Self {
        self.put_sized(bytes, bytes.len());
        self
    }

    /// Appends an `fd`: a `File`, a socket, or any other open descriptor. It is closed after it was sent.
    #[inline]
    pub fn fd(self, fd: impl Into<OwnedFd>) -> Self {
        let fd = fd.into();
        let mut this = ManuallyDrop::new(self);
        this.fds = appended(take(&mut this.fds), fd);
        ManuallyDrop::into_inner(this)
    }

    /// Returns the last `new_id` argument.
    pub(crate) fn last_new_id(&self) -> Option<ObjectId> {
        self.new_id
    }

    /// Appends `length`, the bytes, and zeros up to the next multiple of 4 of `length`.
    fn put_sized(&mut self, bytes: &[u8], length: usize) {
        let padded = length.next_multiple_of(4);
        if length > LONGEST_MESSAGE {
            self.left_out = self.left_out.saturating_add(4 + padded);
            return;
        }
        self.arguments.put((length as u32).to_ne_bytes());
        self.arguments.put_padded(bytes, padded);
    }

    /// Builds the message.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] with the descriptors if a string contains a NUL, or if the message is longer
    /// than 65532 bytes, the highest length that a header can specify. A connection checks its own limit
    /// ([`max_message_bytes`](crate::Limits::max_message_bytes)) when it sends the message.
    #[inline(always)] // A message that is returned through memory is written and copied: 8 ns.
    pub fn build(self) -> Result<Message, BuildError> {
        let MessageBuilder { object, opcode, arguments, left_out, fds, error, .. } = self;
        let length = (HEADER_BYTES + arguments.len()).saturating_add(left_out);
        if error.is_none() && length <= LONGEST_MESSAGE {
            return Ok(Message::received(object, opcode, arguments.build(), fds));
        }
        let kind = error.unwrap_or(WireErrorKind::TooLong { length, limit: LONGEST_MESSAGE });
        Err(BuildError { error: WireError { object: object.get(), opcode, kind }, fds })
    }
}

fn appended(mut fds: Vec<OwnedFd>, fd: OwnedFd) -> Vec<OwnedFd> {
    fds.push(fd);
    fds
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use bytes::BytesMut;
    use interop_tests::guarded;

    use super::super::header::Header;
    use super::super::testing::{builder, id, null, sized, words};
    use super::*;

    /// Returns the arguments of the built message.
    fn written(builder: MessageBuilder) -> Vec<u8> {
        builder.build().expect("a good message").arguments().to_vec()
    }

    #[test]
    fn numbers_and_objects_are_one_word() {
        assert_eq!(written(builder().uint(0x0102_0304)), words(&[0x0102_0304]));
        assert_eq!(written(builder().int(-2)), words(&[0xffff_fffe]));
        assert_eq!(written(builder().fixed(Fixed::from(-1))), words(&[0xffff_ff00]));
        assert_eq!(written(builder().object(id(5)).object(None)), words(&[5, 0]));
        assert_eq!(written(builder().new_id(id(6))), words(&[6]));
    }

    #[test]
    fn a_string_has_its_nul_and_is_padded_with_zeros() {
        for (text, bytes) in [
            ("", &[1, 0, 0, 0, 0][..]),
            ("a", &[2, b'a', 0, 0, 0]),
            ("ab", &[3, b'a', b'b', 0, 0]),
            ("abc", &[4, b'a', b'b', b'c', 0]),
            ("abcd", &[5, b'a', b'b', b'c', b'd', 0, 0, 0, 0]),
        ] {
            let expected = sized(u32::from(bytes[0]), &bytes[1..]);
            assert_eq!(written(builder().string(text)), expected, "{text}");
        }
        assert_eq!(written(builder().null_string()), words(&[0]));
    }

    #[test]
    fn an_array_is_padded_with_zeros() {
        for length in 0..9u8 {
            let bytes: Vec<u8> = (1..=length).collect();
            let mut expected = sized(u32::from(length), &bytes);
            expected.resize(4 + usize::from(length).next_multiple_of(4), 0);
            assert_eq!(written(builder().array(&bytes)), expected, "{length}");
        }
    }

    #[test]
    fn an_untyped_new_id_has_an_interface_a_version_and_an_id() {
        let expected = [sized(3, b"wl\0\0"), words(&[4, 5])].concat();
        assert_eq!(written(builder().untyped_new_id("wl", 4, id(5))), expected);
    }

    #[test]
    fn an_error_for_a_string_with_a_nul_returns_the_descriptors() {
        guarded(|| {
            let error = builder().fd(null()).string("a\0b").build().expect_err("a NUL");
            let kind = WireErrorKind::StringWithNul;
            assert_eq!(error.error, WireError { object: 7, opcode: 3, kind });
            assert_eq!(error.fds.len(), 1);
            // Only the first error is returned.
            let error = builder().string("\0").array(&[0; 1 << 17]).build().expect_err("a NUL");
            assert_eq!(error.error.kind, WireErrorKind::StringWithNul);
        });
    }

    #[test]
    fn a_message_may_have_at_most_65532_bytes() {
        let longest = builder()
            .array(&[0; LONGEST_MESSAGE - HEADER_BYTES - 4])
            .build()
            .expect("just so long");
        assert_eq!(longest.len(), 65532);
        let mut bytes = BytesMut::new();
        longest.encode(&mut bytes);
        let found = Header::parse(&bytes, LONGEST_MESSAGE).expect("good").expect("whole");
        assert_eq!((found.length, found.opcode), (65532, 3));

        let too_long = |length| WireErrorKind::TooLong { length, limit: LONGEST_MESSAGE };
        let error = builder()
            .array(&[0; LONGEST_MESSAGE - HEADER_BYTES - 3])
            .build()
            .expect_err("too long");
        assert_eq!(error.error.kind, too_long(65536));
        let error = builder().string([b'a'; LONGEST_MESSAGE]).array(&[0; 1 << 17]).build();
        let length = 8 + 4 + 65536 + 4 + (1 << 17);
        assert_eq!(error.expect_err("too long").error.kind, too_long(length));
    }

    #[test]
    fn an_argument_that_is_too_long_for_any_message_is_not_copied() {
        let array = vec![0; 1 << 20];
        let measured = allocation_counter::measure(|| {
            assert!(builder().array(&array).build().is_err());
        });
        assert_eq!(measured.bytes_total, 0);
    }
}
