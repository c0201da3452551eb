//! The arguments of a message, as they are on the wire.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Arguments of so many bytes are few: five words are as many as most messages have, and as there is
/// room for where the longer ones are told of.
pub(super) const FEW: usize = 20;

/// The arguments of a message: in place where they are few, so that it costs no allocation, and holds
/// no buffer that others are in.
pub(crate) enum Body {
    Few { bytes: [u8; FEW], used: u8 },
    Many(Bytes),
}

impl Body {
    /// Takes so many bytes off the front.
    #[inline]
    pub(crate) fn split_off(from: &mut BytesMut, length: usize) -> Body {
        match Body::few(&from[..length]) {
            Some(few) => {
                from.advance(length);
                few
            }
            None => Body::Many(from.split_to(length).freeze()),
        }
    }

    /// All of these bytes.
    pub(crate) fn of(bytes: Bytes) -> Body {
        Body::few(&bytes).unwrap_or(Body::Many(bytes))
    }

    #[inline]
    fn few(bytes: &[u8]) -> Option<Body> {
        let mut few = [0; FEW];
        few.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Body::Few { bytes: few, used: bytes.len() as u8 })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Few { bytes, used } => &bytes[..usize::from(*used)],
            Body::Many(bytes) => bytes,
        }
    }
}

/// Arguments that are written: in place, as long as they are few.
#[derive(Debug, Default)]
pub(super) struct BodyBuilder {
    few: [u8; FEW],
    used: usize,
    /// All of them, once they are more.
    more: BytesMut,
}

impl BodyBuilder {
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        match self.few.get_mut(self.used..self.used + bytes.len()) {
            Some(room) if self.more.is_empty() => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.put_more(bytes),
        }
    }

    fn put_more(&mut self, bytes: &[u8]) {
        if self.more.is_empty() {
            self.more.reserve(self.used + bytes.len());
            self.more.put_slice(&self.few[..self.used]);
        }
        self.more.put_slice(bytes);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.used.max(self.more.len())
    }

    #[inline]
    pub(super) fn build(self) -> Body {
        if self.more.is_empty() {
            Body::Few { bytes: self.few, used: self.used as u8 }
        } else {
            Body::Many(self.more.freeze())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_arguments_hold_no_buffer_that_others_are_in() {
        for (bytes, few) in [(0, true), (FEW, true), (FEW + 4, false)] {
            let mut buffer = BytesMut::from(&vec![7; bytes + 4][..]);
            let body = Body::split_off(&mut buffer, bytes);
            assert_eq!((body.bytes(), &buffer[..]), (&vec![7; bytes][..], &[7; 4][..]), "{bytes}");
            assert_eq!(matches!(body, Body::Few { .. }), few, "{bytes}");
        }
    }

    #[test]
    fn arguments_in_place_need_no_more_room_than_others() {
        // Where words are smaller, one of them tells the two apart.
        assert!(size_of::<Body>() <= size_of::<Bytes>().max(FEW + 4));
    }
}
