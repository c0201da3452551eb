//! A body in the other byte order.
//!
//! A value is encoded when it is given to the builder, which may learn the byte order later.

use super::byte_order::ByteOrder;

/// Changes the byte order of all numbers in a body of this signature.
///
/// Returns `false` if the body does not match its signature.
pub(super) fn swap_byte_order(body: &mut [u8], signature: &str, from: ByteOrder) -> bool {
    let mut swap = Swap { body, at: 0, from };
    let mut codes = signature.as_bytes();
    while !codes.is_empty() {
        match swap.value(codes) {
            Some(rest) => codes = rest,
            None => return false,
        }
    }
    swap.at == swap.body.len()
}

struct Swap<'a> {
    body: &'a mut [u8],
    at: usize,
    from: ByteOrder,
}

impl Swap<'_> {
    /// Swaps a value of the type that these codes begin with. Returns the codes after that type.
    ///
    /// The recursion is as deep as the value that was encoded, which has at most 64 containers.
    fn value<'c>(&mut self, codes: &'c [u8]) -> Option<&'c [u8]> {
        let (code, rest) = codes.split_first()?;
        match code {
            b'y' => self.skip(1)?,
            b'n' | b'q' => self.number(2)?,
            b'b' | b'i' | b'u' | b'h' => self.number(4)?,
            b'x' | b't' | b'd' => self.number(8)?,
            b's' | b'o' => {
                let length = self.read_len()?;
                self.skip(length.checked_add(1)?)?;
            }
            b'g' => {
                self.signature()?;
            }
            b'v' => {
                let inner = self.signature()?;
                self.value(&inner).filter(|rest| rest.is_empty())?;
            }
            b'a' => return self.array(rest),
            b'(' | b'{' => {
                self.align(8)?;
                let mut rest = rest;
                while !matches!(rest.first()?, b')' | b'}') {
                    rest = self.value(rest)?;
                }
                return rest.get(1..);
            }
            _ => return None,
        }
        Some(rest)
    }

    fn array<'c>(&mut self, element: &'c [u8]) -> Option<&'c [u8]> {
        let length = self.read_len()?;
        self.align(match element.first()? {
            b'x' | b't' | b'd' | b'(' | b'{' => 8,
            // The length was aligned to 4 bytes.
            _ => 1,
        })?;
        let end = self.at.checked_add(length)?;
        while self.at < end {
            self.value(element)?;
        }
        (self.at == end).then_some(after_type(element))?
    }

    /// Swaps a number of this many bytes, to which it is aligned.
    fn number(&mut self, size: usize) -> Option<()> {
        self.align(size)?;
        self.body.get_mut(self.at..self.at + size)?.reverse();
        self.skip(size)
    }

    /// Swaps a length, and returns it.
    fn read_len(&mut self) -> Option<usize> {
        self.align(4)?;
        let bytes = self.body.get(self.at..)?.first_chunk()?;
        let length = self.from.read(*bytes);
        self.number(4)?;
        Some(length as usize)
    }

    fn signature(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(*self.body.get(self.at)?);
        let codes = self.body.get(self.at + 1..self.at + 1 + length)?.to_vec();
        self.skip(length + 2)?;
        Some(codes)
    }

    fn align(&mut self, alignment: usize) -> Option<()> {
        self.skip(self.at.next_multiple_of(alignment) - self.at)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.body.len())?;
        Some(())
    }
}

/// Returns the codes after the type that these begin with.
fn after_type(codes: &[u8]) -> Option<&[u8]> {
    let (code, rest) = codes.split_first()?;
    match code {
        b'a' => after_type(rest),
        b'(' | b'{' => {
            let mut rest = rest;
            while !matches!(rest.first()?, b')' | b'}') {
                rest = after_type(rest)?;
            }
            rest.get(1..)
        }
        _ => Some(rest),
    }
}
