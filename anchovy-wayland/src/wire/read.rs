//! A message that is being read.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use super::{Fixed, ObjectId};
use crate::error::{WireError, WireFault};

/// The arguments of a message, read one after the other.
///
/// Each method reads the next one as that type, which the protocol knows and the bytes do not. An
/// error says of which message it is. Behind an argument that ends early nothing is read; behind one
/// that is wrong otherwise, the next can be.
#[derive(Debug)]
pub struct Arguments<'a> {
    pub(super) object: u32,
    pub(super) opcode: u16,
    pub(super) bytes: &'a [u8],
    pub(super) fds: &'a mut Vec<OwnedFd>,
}

impl<'a> Arguments<'a> {
    /// A `uint`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn uint(&mut self) -> Result<u32, WireError> {
        match self.bytes.split_first_chunk() {
            Some((word, rest)) => {
                self.bytes = rest;
                Ok(u32::from_ne_bytes(*word))
            }
            None => Err(self.fault(WireFault::EndsEarly { needed: 4, left: self.bytes.len() })),
        }
    }

    /// An `int`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn int(&mut self) -> Result<i32, WireError> {
        Ok(self.uint()? as i32)
    }

    /// A `fixed`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn fixed(&mut self) -> Result<Fixed, WireError> {
        Ok(Fixed::from_bits(self.int()?))
    }

    /// An `object` that may be null.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn optional_object(&mut self) -> Result<Option<ObjectId>, WireError> {
        Ok(ObjectId::new(self.uint()?))
    }

    /// An `object`.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullObject`], [`WireFault::EndsEarly`].
    #[inline]
    pub fn object(&mut self) -> Result<ObjectId, WireError> {
        self.optional_object()?.ok_or_else(|| self.fault(WireFault::NullObject))
    }

    /// A `new_id` of an interface that the protocol names.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullObject`], [`WireFault::EndsEarly`].
    #[inline]
    pub fn new_id(&mut self) -> Result<ObjectId, WireError> {
        self.object()
    }

    /// A `new_id` of an interface that it does not name: interface, version and number.
    ///
    /// # Errors
    ///
    /// Those of its parts.
    pub fn untyped_new_id(&mut self) -> Result<(&'a CStr, u32, ObjectId), WireError> {
        Ok((self.string()?, self.uint()?, self.new_id()?))
    }

    /// A `string` that may be null.
    ///
    /// # Errors
    ///
    /// [`WireFault::StringWithoutNul`], [`WireFault::StringWithNul`], [`WireFault::EndsEarly`].
    pub fn optional_string(&mut self) -> Result<Option<&'a CStr>, WireError> {
        let bytes = self.array()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match CStr::from_bytes_until_nul(bytes) {
            Ok(text) if text.count_bytes() + 1 == bytes.len() => Ok(Some(text)),
            Ok(_) => Err(self.fault(WireFault::StringWithNul)),
            Err(_) => Err(self.fault(WireFault::StringWithoutNul)),
        }
    }

    /// A `string`, without its NUL. That it is UTF-8 is not seen to.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullString`], and those of [`optional_string`](Self::optional_string).
    pub fn string(&mut self) -> Result<&'a CStr, WireError> {
        self.optional_string()?.ok_or_else(|| self.fault(WireFault::NullString))
    }

    /// An `array`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    pub fn array(&mut self) -> Result<&'a [u8], WireError> {
        let before = self.bytes;
        let length = self.uint()?;
        let needed = u64::from(length).next_multiple_of(4);
        if needed > self.bytes.len() as u64 {
            let left = self.bytes.len();
            self.bytes = before;
            return Err(self.fault(WireFault::EndsEarly { needed, left }));
        }
        let (padded, rest) = self.bytes.split_at(needed as usize);
        self.bytes = rest;
        Ok(&padded[..length as usize])
    }

    /// An `fd`, taken out of the message.
    ///
    /// # Errors
    ///
    /// [`WireFault::NoFd`]: whoever counted the descriptors of this message counted fewer.
    #[inline]
    pub fn fd(&mut self) -> Result<OwnedFd, WireError> {
        if self.fds.is_empty() {
            return Err(self.fault(WireFault::NoFd));
        }
        Ok(self.fds.remove(0))
    }

    /// Sees that nothing is left.
    ///
    /// # Errors
    ///
    /// [`WireFault::BytesLeft`], [`WireFault::FdsLeft`].
    #[inline]
    pub fn finish(self) -> Result<(), WireError> {
        let (bytes, count) = (self.bytes.len(), self.fds.len());
        if bytes > 0 {
            Err(self.fault(WireFault::BytesLeft { bytes }))
        } else if count > 0 {
            Err(self.fault(WireFault::FdsLeft { count }))
        } else {
            Ok(())
        }
    }

    fn fault(&self, fault: WireFault) -> WireError {
        WireError { object: self.object, opcode: self.opcode, fault }
    }
}
