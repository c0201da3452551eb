//! The bytes of the arguments of a message.

use std::mem::take;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

/// Maximum number of words that are stored inline. Most messages have at most five words, and five words fit
/// into the size of the other variant.
const INLINE_WORDS: usize = 5;

/// Length of a word, in bytes.
const WORD: usize = 4;

type Words = [[u8; WORD]; INLINE_WORDS];

/// The arguments of a message. A few words are stored inline, which requires no allocation and does not
/// keep a buffer alive that other messages share.
pub(crate) enum Body {
    Inline { words: Words, length: u8 },
    Shared(Bytes),
}

impl Body {
    /// Removes a message from the start of the buffer, and returns the bytes of the buffer in `range`. It
    /// ends where the message ends.
    #[inline(always)] // Arguments that are returned through memory are written and copied.
    pub(crate) fn split_off(from: &mut BytesMut, range: Range<usize>) -> Body {
        if range.len() > size_of::<Words>() {
            return Body::Shared(from.split_to(range.end).freeze().slice(range));
        }
        let length = range.len() as u8;
        let words = match from[range.start..].first_chunk() {
            // Copying a constant length requires no call. Bytes of the next message are not used.
            Some(bytes) => words(bytes),
            None => padded(&from[range.clone()]),
        };
        from.advance(range.end);
        Body::Inline { words, length }
    }

    /// Creates the arguments from all bytes.
    pub(crate) fn new(bytes: Bytes) -> Body {
        if bytes.len() > size_of::<Words>() {
            return Body::Shared(bytes);
        }
        Body::Inline { words: padded(&bytes), length: bytes.len() as u8 }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Inline { words, length } => &words.as_flattened()[..usize::from(*length)],
            Body::Shared(bytes) => bytes,
        }
    }
}

#[inline]
fn words(bytes: &[u8; size_of::<Words>()]) -> Words {
    let mut words = Words::default();
    words.as_flattened_mut().copy_from_slice(bytes);
    words
}

fn padded(bytes: &[u8]) -> Words {
    let mut words = Words::default();
    words.as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
    words
}

/// Arguments that are being written. They are stored inline while they fit.
#[derive(Debug, Default)]
pub(super) struct BodyBuilder {
    inline: Words,
    /// Number of words in `inline`, or more than fit if all arguments are in `longer`.
    count: usize,
    longer: Vec<u8>,
}

impl BodyBuilder {
    /// Appends a word.
    // The compiler knows the count of a builder that has had words only. With constant indices, it keeps
    // the words in registers, and the message is written once.
    #[inline]
    pub(super) fn put(&mut self, word: [u8; WORD]) {
        match self.count {
            0 => self.inline[0] = word,
            1 => self.inline[1] = word,
            2 => self.inline[2] = word,
            3 => self.inline[3] = word,
            4 => self.inline[4] = word,
            count => {
                let longer = moved(take(&mut self.longer), self.inline, count);
                self.longer = appended(longer, &word, WORD);
            }
        }
        self.count += 1;
    }

    /// Appends bytes, and zeros up to `length`, which is a multiple of the length of a word.
    pub(super) fn put_padded(&mut self, bytes: &[u8], length: usize) {
        let start = self.count * WORD;
        if let Some(room) = self.inline.as_flattened_mut().get_mut(start..start + length) {
            room[..bytes.len()].copy_from_slice(bytes);
        } else {
            let longer = moved(take(&mut self.longer), self.inline, self.count);
            self.longer = appended(longer, bytes, length);
        }
        self.count += length / WORD;
    }

    /// Returns the length in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count * WORD
    }

    #[inline]
    pub(super) fn build(mut self) -> Body {
        if self.count > INLINE_WORDS {
            return shared(take(&mut self.longer));
        }
        Body::Inline { words: self.inline, length: self.len() as u8 }
    }
}

/// Moves the first `count` words to `longer`, unless they are there already.
fn moved(mut longer: Vec<u8>, words: Words, count: usize) -> Vec<u8> {
    if longer.is_empty() {
        longer.extend_from_slice(&words.as_flattened()[..count * WORD]);
    }
    longer
}

fn appended(mut longer: Vec<u8>, bytes: &[u8], length: usize) -> Vec<u8> {
    let end = longer.len() + length;
    longer.reserve(length);
    longer.extend_from_slice(bytes);
    longer.resize(end, 0);
    longer
}

fn shared(bytes: Vec<u8>) -> Body {
    Body::Shared(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_arguments_do_not_keep_a_shared_buffer() {
        for (length, few) in
            [(0, true), (size_of::<Words>(), true), (size_of::<Words>() + 4, false)]
        {
            let mut buffer = BytesMut::from(&vec![7; 8 + length][..]);
            let body = Body::split_off(&mut buffer, 8..8 + length);
            assert_eq!((body.bytes(), buffer.len()), (&vec![7; length][..], 0), "{length}");
            assert_eq!(matches!(body, Body::Inline { .. }), few, "{length}");
        }
    }

    #[test]
    fn arguments_end_before_the_next_message() {
        for length in (0..2 * size_of::<Words>()).step_by(4) {
            for next in [4, 2 * size_of::<Words>()] {
                let message = [&vec![7; 8 + length][..], &vec![9; next]].concat();
                let mut buffer = BytesMut::from(&message[..]);
                let body = Body::split_off(&mut buffer, 8..8 + length);
                assert_eq!((body.bytes(), &buffer[..]), (&vec![7; length][..], &vec![9; next][..]));
            }
        }
    }

    #[test]
    fn words_and_bytes_of_any_length_are_written_in_order() {
        for before in 0..INLINE_WORDS + 2 {
            for length in 0..2 * size_of::<Words>() {
                let (bytes, padded) = (vec![7; length], length.next_multiple_of(WORD));
                let (mut written, mut expected) = (BodyBuilder::default(), Vec::new());
                for word in (0..before).map(|word| [word as u8; WORD]) {
                    written.put(word);
                    expected.extend(word);
                }
                written.put_padded(&bytes, padded);
                expected.extend(&bytes);
                expected.resize(before * WORD + padded, 0);
                for word in [[8; WORD], [9; WORD]] {
                    written.put(word);
                    expected.extend(word);
                }
                assert_eq!(
                    (written.len(), written.build().bytes()),
                    (expected.len(), &expected[..])
                );
            }
        }
    }

    #[test]
    fn inline_arguments_do_not_enlarge_a_message() {
        // With 32-bit pointers, the discriminant requires a word of its own.
        assert!(size_of::<Body>() <= size_of::<Bytes>().max(size_of::<Words>() + 4));
    }
}
