//! The bytes of the arguments of a message.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Maximum number of bytes that are stored inline. Most messages have at most five words, and five words fit
/// into the size of the other variant.
const INLINE_BYTES: usize = 20;

/// The arguments of a message. A few words are stored inline, which requires no allocation and does not
/// keep a buffer alive that other messages share.
pub(crate) enum Body {
    Inline { bytes: [u8; INLINE_BYTES], used: u8 },
    Shared(Bytes),
}

impl Body {
    /// Removes the first `length` bytes from the buffer.
    #[inline]
    pub(crate) fn split_off(from: &mut BytesMut, length: usize) -> Body {
        match Body::inline(&from[..length]) {
            Some(body) => {
                from.advance(length);
                body
            }
            None => Body::Shared(from.split_to(length).freeze()),
        }
    }

    /// Creates the arguments from all bytes.
    pub(crate) fn new(bytes: Bytes) -> Body {
        Body::inline(&bytes).unwrap_or(Body::Shared(bytes))
    }

    #[inline]
    fn inline(bytes: &[u8]) -> Option<Body> {
        let mut inline = [0; INLINE_BYTES];
        inline.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Body::Inline { bytes: inline, used: bytes.len() as u8 })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Inline { bytes, used } => &bytes[..usize::from(*used)],
            Body::Shared(bytes) => bytes,
        }
    }
}

/// Arguments that are being written. They are stored inline while they fit.
#[derive(Debug, Default)]
pub(super) struct BodyBuilder {
    inline: [u8; INLINE_BYTES],
    used: usize,
    /// All arguments, if they do not fit inline.
    longer: BytesMut,
}

impl BodyBuilder {
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        match self.inline.get_mut(self.used..self.used + bytes.len()) {
            Some(room) if self.longer.is_empty() => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.put_longer(bytes),
        }
    }

    fn put_longer(&mut self, bytes: &[u8]) {
        if self.longer.is_empty() {
            self.longer.reserve(self.used + bytes.len());
            self.longer.put_slice(&self.inline[..self.used]);
        }
        self.longer.put_slice(bytes);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.used.max(self.longer.len())
    }

    #[inline]
    pub(super) fn build(self) -> Body {
        if self.longer.is_empty() {
            Body::Inline { bytes: self.inline, used: self.used as u8 }
        } else {
            Body::Shared(self.longer.freeze())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_arguments_do_not_keep_a_shared_buffer() {
        for (bytes, few) in [(0, true), (INLINE_BYTES, true), (INLINE_BYTES + 4, false)] {
            let mut buffer = BytesMut::from(&vec![7; bytes + 4][..]);
            let body = Body::split_off(&mut buffer, bytes);
            assert_eq!((body.bytes(), &buffer[..]), (&vec![7; bytes][..], &[7; 4][..]), "{bytes}");
            assert_eq!(matches!(body, Body::Inline { .. }), few, "{bytes}");
        }
    }

    #[test]
    fn inline_arguments_do_not_enlarge_a_message() {
        // With 32-bit pointers, the discriminant requires a word of its own.
        assert!(size_of::<Body>() <= size_of::<Bytes>().max(INLINE_BYTES + 4));
    }
}
