//! Reading of values from a header (D-Bus Specification, "Marshaling").
//!
//! A reader does not read past the end of its bytes, reads no byte twice and does not allocate. It
//! returns slices of its bytes.

use super::byte_order::ByteOrder;
use super::field_error::FieldError;
use super::names;
use super::signature;

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// The bytes from the start of the message, from which values are aligned, to the end of the part
    /// that can be read.
    bytes: &'a [u8],
    position: usize,
    order: ByteOrder,
}

impl<'a> Reader<'a> {
    /// Creates a reader at this position in the bytes of a message.
    pub(super) fn new(bytes: &'a [u8], position: usize, order: ByteOrder) -> Reader<'a> {
        Reader { bytes, position, order }
    }

    /// Returns the position of the next byte.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Reads `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], FieldError> {
        let end = self.position.saturating_add(count);
        match self.bytes.get(self.position..end) {
            Some(taken) => {
                self.position = end;
                Ok(taken)
            }
            None => Err(FieldError::EndsEarly),
        }
    }

    /// Skips the padding before a value of this alignment, and checks that its bytes are 0.
    pub(super) fn align(&mut self, alignment: usize) -> Result<(), FieldError> {
        const ZEROS: [u8; 8] = [0; 8];
        // An alignment is a power of two.
        let padding = self.position.wrapping_neg() & (alignment - 1);
        // One comparison instead of a loop, because most fields have padding before them.
        if padding > 0 && self.take(padding)? != &ZEROS[..padding] {
            return Err(FieldError::Padding);
        }
        Ok(())
    }

    pub(super) fn byte(&mut self) -> Result<u8, FieldError> {
        match self.bytes.get(self.position) {
            Some(byte) => {
                self.position += 1;
                Ok(*byte)
            }
            None => Err(FieldError::EndsEarly),
        }
    }

    pub(super) fn number(&mut self) -> Result<u32, FieldError> {
        self.align(4)?;
        let bytes = self.take(4)?.first_chunk().ok_or(FieldError::EndsEarly)?;
        Ok(self.order.read(*bytes))
    }

    /// Reads a text with a length of 4 bytes. Checks only its length and the NUL byte after it.
    pub(super) fn text(&mut self) -> Result<&'a [u8], FieldError> {
        let length = self.number()?;
        self.terminated(length)
    }

    /// Skips a string, and checks it.
    pub(super) fn string(&mut self) -> Result<(), FieldError> {
        let text = self.text()?;
        if text.contains(&0) {
            return Err(FieldError::NulInText);
        }
        std::str::from_utf8(text).map_err(|_| FieldError::NotUtf8)?;
        Ok(())
    }

    pub(super) fn object_path(&mut self) -> Result<&'a [u8], FieldError> {
        let path = self.text()?;
        if !names::is_object_path(path) {
            return Err(FieldError::ObjectPath);
        }
        Ok(path)
    }

    pub(super) fn signature(&mut self) -> Result<&'a [u8], FieldError> {
        let codes = self.signature_codes()?;
        signature::check(codes)?;
        Ok(codes)
    }

    /// Reads a signature. Checks only its length and the NUL byte after it.
    pub(super) fn signature_codes(&mut self) -> Result<&'a [u8], FieldError> {
        let length = self.byte()?;
        self.terminated(length.into())
    }

    /// Reads `length` bytes and the NUL byte after them.
    fn terminated(&mut self, length: u32) -> Result<&'a [u8], FieldError> {
        let (start, end) = (self.position, self.position.saturating_add(length as usize));
        match self.bytes.get(end) {
            Some(0) => {}
            Some(_) => return Err(FieldError::NotTerminated),
            None => return Err(FieldError::EndsEarly),
        }
        self.position = end + 1;
        Ok(&self.bytes[start..end])
    }

    /// Calls `read` with a reader that ends after `length` bytes.
    pub(super) fn within(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut Reader<'a>) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        if rest.len() < length {
            return Err(FieldError::EndsEarly);
        }
        let bytes = &self.bytes[..self.position + length];
        let mut inner = Reader { bytes, position: self.position, order: self.order };
        read(&mut inner)?;
        self.position = inner.position;
        Ok(())
    }
}
