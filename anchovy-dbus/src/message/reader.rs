//! A place in a header, and how values are read there. It never goes past the end that it was
//! given, and it reads nothing twice and keeps nothing: what it returns are places in the same
//! bytes (D-Bus Specification, "Marshaling").

use super::byte_order::ByteOrder;
use super::field_error::FieldError;
use super::names;
use super::signature;

/// Where in a header a text is. A header has at most 2²⁶ + 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// The bytes there, if there are any.
    pub(super) fn slice(self, head: &[u8]) -> &[u8] {
        let start = self.start as usize;
        head.get(start..start + self.length as usize).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// From the first byte of the message, from which places are aligned, to the end of what may be
    /// read.
    bytes: &'a [u8],
    position: usize,
    order: ByteOrder,
}

impl<'a> Reader<'a> {
    /// Begins at a place in the bytes of a message.
    pub(super) fn new(bytes: &'a [u8], position: usize, order: ByteOrder) -> Reader<'a> {
        Reader { bytes, position, order }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// The next so many bytes.
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

    /// Passes over what aligns the next value, which is 0.
    pub(super) fn align(&mut self, alignment: usize) -> Result<(), FieldError> {
        const ZEROS: [u8; 8] = [0; 8];
        // An alignment is a power of two.
        let padding = self.position.wrapping_neg() & (alignment - 1);
        // As one comparison: there is padding before most fields.
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

    /// A text of which only the length and the end are looked at.
    pub(super) fn text(&mut self) -> Result<(&'a [u8], Span), FieldError> {
        let length = self.number()?;
        self.terminated(length)
    }

    /// A text.
    pub(super) fn string(&mut self) -> Result<(), FieldError> {
        let (text, _) = self.text()?;
        if text.contains(&0) {
            return Err(FieldError::NulInText);
        }
        std::str::from_utf8(text).map_err(|_| FieldError::NotUtf8)?;
        Ok(())
    }

    pub(super) fn object_path(&mut self) -> Result<(&'a [u8], Span), FieldError> {
        let (path, span) = self.text()?;
        if !names::is_object_path(path) {
            return Err(FieldError::ObjectPath);
        }
        Ok((path, span))
    }

    pub(super) fn signature(&mut self) -> Result<Span, FieldError> {
        let (codes, span) = self.signature_codes()?;
        signature::check(codes)?;
        Ok(span)
    }

    /// A signature of which only the length and the end are looked at.
    pub(super) fn signature_codes(&mut self) -> Result<(&'a [u8], Span), FieldError> {
        let length = self.byte()?;
        self.terminated(length.into())
    }

    /// So many bytes, and a byte 0.
    fn terminated(&mut self, length: u32) -> Result<(&'a [u8], Span), FieldError> {
        let (start, end) = (self.position, self.position.saturating_add(length as usize));
        match self.bytes.get(end) {
            Some(0) => {}
            Some(_) => return Err(FieldError::NotTerminated),
            None => return Err(FieldError::EndsEarly),
        }
        self.position = end + 1;
        // A position is within a header, and so less than 2²⁷.
        Ok((&self.bytes[start..end], Span { start: start as u32, length }))
    }

    /// Reads so many bytes with `read`, which cannot go past their end.
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
