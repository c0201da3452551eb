//! A reader of the arguments of a message.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use super::fixed::Fixed;
use super::object_id::ObjectId;
use super::wire_error::{WireError, WireErrorKind};

/// A reader of the arguments of a message, from [`Message::read`](crate::Message::read).
///
/// Each method reads the next argument as one type. The bytes do not contain the types, so the caller must
/// call the methods in the order of the protocol file.
///
/// An error contains the object and the opcode of the message. An argument that [ends
/// early](WireErrorKind::EndsEarly) is not consumed. After any other error, such as a null string, the
/// argument is consumed. [`untyped_new_id`](Self::untyped_new_id) reads three parts in order, and consumes
/// the parts before the one that ends early.
#[derive(Debug)]
pub struct Arguments<'a> {
    pub(super) object: u32,
    pub(super) opcode: u16,
    pub(super) bytes: &'a [u8],
    pub(super) fds: &'a mut Vec<OwnedFd>,
}

impl<'a> Arguments<'a> {
    /// Reads a `uint`.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn uint(&mut self) -> Result<u32, WireError> {
        match self.bytes.split_first_chunk() {
            Some((word, rest)) => {
                self.bytes = rest;
                Ok(u32::from_ne_bytes(*word))
            }
            None => Err(self.error(WireErrorKind::EndsEarly { needed: 4, left: self.bytes.len() })),
        }
    }

    /// Reads an `int`.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn int(&mut self) -> Result<i32, WireError> {
        Ok(self.uint()? as i32)
    }

    /// Reads a `fixed`.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn fixed(&mut self) -> Result<Fixed, WireError> {
        Ok(Fixed::from_bits(self.int()?))
    }

    /// Reads an `object` that may be null.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn optional_object(&mut self) -> Result<Option<ObjectId>, WireError> {
        Ok(ObjectId::new(self.uint()?))
    }

    /// Reads an `object`.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::NullObject`] or [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn object(&mut self) -> Result<ObjectId, WireError> {
        self.optional_object()?.ok_or_else(|| self.error(WireErrorKind::NullObject))
    }

    /// Reads a `new_id` whose interface the protocol file specifies.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::NullObject`] or [`WireErrorKind::EndsEarly`].
    #[inline]
    pub fn new_id(&mut self) -> Result<ObjectId, WireError> {
        self.object()
    }

    /// Reads a `new_id` whose interface the protocol file does not specify, as in `wl_registry.bind`.
    /// Returns the interface, the version and the id.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`string`](Self::string), [`uint`](Self::uint) and [`new_id`](Self::new_id).
    pub fn untyped_new_id(&mut self) -> Result<(&'a CStr, u32, ObjectId), WireError> {
        Ok((self.string()?, self.uint()?, self.new_id()?))
    }

    /// Reads a `string` that may be null.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::StringWithoutNul`], [`WireErrorKind::StringWithNul`] or
    /// [`WireErrorKind::EndsEarly`].
    pub fn optional_string(&mut self) -> Result<Option<&'a CStr>, WireError> {
        let bytes = self.array()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match CStr::from_bytes_until_nul(bytes) {
            Ok(text) if text.count_bytes() + 1 == bytes.len() => Ok(Some(text)),
            Ok(_) => Err(self.error(WireErrorKind::StringWithNul)),
            Err(_) => Err(self.error(WireErrorKind::StringWithoutNul)),
        }
    }

    /// Reads a `string`. The protocol requires UTF-8, which this method does not check.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::NullString`], or the errors of [`optional_string`](Self::optional_string).
    pub fn string(&mut self) -> Result<&'a CStr, WireError> {
        self.optional_string()?.ok_or_else(|| self.error(WireErrorKind::NullString))
    }

    /// Reads an `array`.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::EndsEarly`].
    pub fn array(&mut self) -> Result<&'a [u8], WireError> {
        let before = self.bytes;
        let length = self.uint()?;
        let needed = u64::from(length).next_multiple_of(4);
        if needed > self.bytes.len() as u64 {
            let left = self.bytes.len();
            self.bytes = before;
            return Err(self.error(WireErrorKind::EndsEarly { needed, left }));
        }
        let (padded, rest) = self.bytes.split_at(needed as usize);
        self.bytes = rest;
        Ok(&padded[..length as usize])
    }

    /// Takes the next `fd` from the message.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::NoFd`] if no descriptor is left. If the message was received, the number in
    /// [`Signatures`](crate::Signatures) is too low.
    #[inline]
    pub fn fd(&mut self) -> Result<OwnedFd, WireError> {
        if self.fds.is_empty() {
            return Err(self.error(WireErrorKind::NoFd));
        }
        Ok(self.fds.remove(0))
    }

    /// Checks that all arguments have been read.
    ///
    /// # Errors
    ///
    /// Returns [`WireErrorKind::TrailingBytes`] or [`WireErrorKind::TrailingFds`].
    #[inline]
    pub fn finish(self) -> Result<(), WireError> {
        let (bytes, count) = (self.bytes.len(), self.fds.len());
        if bytes > 0 {
            Err(self.error(WireErrorKind::TrailingBytes { bytes }))
        } else if count > 0 {
            Err(self.error(WireErrorKind::TrailingFds { count }))
        } else {
            Ok(())
        }
    }

    fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { object: self.object, opcode: self.opcode, kind }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::guarded;

    use super::super::testing::{builder, null, received, sized, words};
    use super::*;

    /// Reads from these arguments and returns the kind of the error.
    fn kind_of<T: std::fmt::Debug>(
        arguments: &[u8],
        read: impl FnOnce(&mut Arguments<'_>) -> Result<T, WireError>,
    ) -> WireErrorKind {
        let mut message = received(arguments);
        let error = read(&mut message.read()).expect_err("an error");
        assert_eq!((error.object, error.opcode), (7, 3));
        error.kind
    }

    #[test]
    fn descriptors_are_read_in_order() {
        guarded(|| {
            use std::os::fd::AsRawFd;
            let (first, second) = (null(), null());
            let numbers = [first.as_raw_fd(), second.as_raw_fd()];
            let mut message = builder().fd(first).fd(second).build().expect("good");
            let mut arguments = message.read();
            let read = [arguments.fd(), arguments.fd()].map(|fd| fd.expect("there").as_raw_fd());
            assert_eq!(read, numbers);
        });
    }

    #[test]
    fn an_argument_that_ends_early_is_an_error_and_is_not_consumed() {
        for left in 0..4 {
            let early = WireErrorKind::EndsEarly { needed: 4, left };
            let bytes = &[0; 3][..left];
            assert_eq!(kind_of(bytes, |arguments| arguments.int()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.uint()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.fixed()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.object()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.optional_object()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.new_id()), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.string().map(drop)), early);
            assert_eq!(kind_of(bytes, |arguments| arguments.array().map(drop)), early);
        }
        let bytes = sized(5, &[0; 4]);
        let early = WireErrorKind::EndsEarly { needed: 8, left: 4 };
        assert_eq!(kind_of(&bytes, |arguments| arguments.array().map(drop)), early);
        let mut message = received(&bytes);
        let mut arguments = message.read();
        assert!(arguments.array().is_err());
        assert_eq!((arguments.uint(), arguments.uint()), (Ok(5), Ok(0)));
    }

    #[test]
    fn a_length_of_4_gib_is_an_error() {
        for length in [u32::MAX, u32::MAX - 3, 0x8000_0000] {
            let needed = u64::from(length).next_multiple_of(4);
            let early = WireErrorKind::EndsEarly { needed, left: 4 };
            let bytes = sized(length, &[0; 4]);
            assert_eq!(kind_of(&bytes, |arguments| arguments.array().map(drop)), early);
            assert_eq!(kind_of(&bytes, |arguments| arguments.string().map(drop)), early);
        }
    }

    #[test]
    fn a_null_object_is_an_error_unless_it_is_optional() {
        assert_eq!(
            kind_of(&words(&[0]), |arguments| arguments.object()),
            WireErrorKind::NullObject
        );
        assert_eq!(
            kind_of(&words(&[0]), |arguments| arguments.new_id()),
            WireErrorKind::NullObject
        );
        let bytes = [sized(1, &[0; 4]), words(&[1, 0])].concat();
        let read = |arguments: &mut Arguments<'_>| arguments.untyped_new_id().map(drop);
        assert_eq!(kind_of(&bytes, read), WireErrorKind::NullObject);
    }

    #[test]
    fn a_string_ends_with_its_only_nul() {
        let string = |bytes: &[u8]| kind_of(bytes, |arguments| arguments.string().map(drop));
        assert_eq!(string(&sized(0, &[])), WireErrorKind::NullString);
        assert_eq!(string(&sized(3, b"abcd")), WireErrorKind::StringWithoutNul);
        // The NUL is padding.
        assert_eq!(string(&sized(3, b"abc\0")), WireErrorKind::StringWithoutNul);
        assert_eq!(string(&sized(4, b"a\0b\0")), WireErrorKind::StringWithNul);
        assert_eq!(string(&sized(2, b"\0\0\0\0")), WireErrorKind::StringWithNul);
        let optional =
            |bytes: &[u8]| kind_of(bytes, |arguments| arguments.optional_string().map(drop));
        assert_eq!(optional(&sized(3, b"abcd")), WireErrorKind::StringWithoutNul);
    }

    #[test]
    fn padding_bytes_may_have_any_value() {
        let mut message = received(&sized(2, b"a\0xy"));
        assert_eq!(message.read().string(), Ok(c"a"));
        let mut message = received(&sized(1, b"axyz"));
        assert_eq!(message.read().array(), Ok(&b"a"[..]));
    }

    #[test]
    fn the_argument_after_an_invalid_one_is_read() {
        let mut message = received(&[sized(4, b"a\0b\0"), words(&[0, 9])].concat());
        let mut arguments = message.read();
        assert!(arguments.string().is_err());
        assert!(arguments.object().is_err());
        assert_eq!(arguments.uint(), Ok(9));
    }

    #[test]
    fn a_missing_descriptor_is_an_error() {
        assert_eq!(kind_of(&[], |arguments| arguments.fd().map(drop)), WireErrorKind::NoFd);
    }

    #[test]
    fn bytes_and_descriptors_after_the_last_argument_are_an_error() {
        guarded(|| {
            let mut message = received(&[0; 8]);
            let mut arguments = message.read();
            arguments.uint().expect("a word");
            let error = arguments.finish().expect_err("a word more");
            assert_eq!(
                error,
                WireError { object: 7, opcode: 3, kind: WireErrorKind::TrailingBytes { bytes: 4 } }
            );
            let mut message = builder().fd(null()).fd(null()).build().expect("good");
            let error = message.read().finish().expect_err("two descriptors");
            assert_eq!(error.kind, WireErrorKind::TrailingFds { count: 2 });
        });
    }
}
