//! The bytes of the arguments of a message.

use std::mem::take;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

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
    /// Removes a message from the start of the buffer, and returns the bytes of the buffer in `range`. It
    /// ends where the message ends.
    #[inline]
    pub(crate) fn split_off(from: &mut BytesMut, range: Range<usize>) -> Body {
        let used = range.len();
        if used > INLINE_BYTES {
            return Body::Shared(from.split_to(range.end).freeze().slice(range));
        }
        let bytes = match from[range.start..].first_chunk() {
            // A copy of a constant length is one or two moves. Bytes after the message are not used.
            Some(bytes) => *bytes,
            None => inline(&from[range.clone()]),
        };
        from.advance(range.end);
        Body::Inline { bytes, used: used as u8 }
    }

    /// Creates the arguments from all bytes.
    pub(crate) fn new(bytes: Bytes) -> Body {
        if bytes.len() > INLINE_BYTES {
            return Body::Shared(bytes);
        }
        Body::Inline { bytes: inline(&bytes), used: bytes.len() as u8 }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Inline { bytes, used } => &bytes[..usize::from(*used)],
            Body::Shared(bytes) => bytes,
        }
    }
}

fn inline(bytes: &[u8]) -> [u8; INLINE_BYTES] {
    let mut inline = [0; INLINE_BYTES];
    inline[..bytes.len()].copy_from_slice(bytes);
    inline
}

/// Arguments that are being written. They are stored inline while they fit.
#[derive(Debug, Default)]
pub(super) struct BodyBuilder {
    inline: [u8; INLINE_BYTES],
    /// Number of bytes in `inline`, or more than fit if all arguments are in `longer`.
    used: usize,
    longer: Vec<u8>,
}

impl BodyBuilder {
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        match self.inline.get_mut(self.used..self.used + bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.longer = longer(take(&mut self.longer), &self.inline, self.used, bytes),
        }
        self.used += bytes.len();
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.used
    }

    #[inline]
    pub(super) fn build(self) -> Body {
        if self.used <= INLINE_BYTES {
            Body::Inline { bytes: self.inline, used: self.used as u8 }
        } else {
            Body::Shared(self.longer.into())
        }
    }
}

/// Appends to arguments of `used` bytes that do not fit inline.
fn longer(mut longer: Vec<u8>, inline: &[u8], used: usize, bytes: &[u8]) -> Vec<u8> {
    if longer.is_empty() {
        longer.reserve(used + bytes.len());
        longer.extend_from_slice(&inline[..used]);
    }
    longer.extend_from_slice(bytes);
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_arguments_do_not_keep_a_shared_buffer() {
        for (length, few) in [(0, true), (INLINE_BYTES, true), (INLINE_BYTES + 4, false)] {
            let mut buffer = BytesMut::from(&vec![7; 8 + length][..]);
            let body = Body::split_off(&mut buffer, 8..8 + length);
            assert_eq!((body.bytes(), buffer.len()), (&vec![7; length][..], 0), "{length}");
            assert_eq!(matches!(body, Body::Inline { .. }), few, "{length}");
        }
    }

    #[test]
    fn arguments_end_before_the_next_message() {
        for length in (0..2 * INLINE_BYTES).step_by(4) {
            for next in [4, 2 * INLINE_BYTES] {
                let message = [&vec![7; 8 + length][..], &vec![9; next]].concat();
                let mut buffer = BytesMut::from(&message[..]);
                let body = Body::split_off(&mut buffer, 8..8 + length);
                assert_eq!((body.bytes(), &buffer[..]), (&vec![7; length][..], &vec![9; next][..]));
            }
        }
    }

    #[test]
    fn inline_arguments_do_not_enlarge_a_message() {
        // With 32-bit pointers, the discriminant requires a word of its own.
        assert!(size_of::<Body>() <= size_of::<Bytes>().max(INLINE_BYTES + 4));
    }
}
