//! A part of the text of an address with its position, which errors contain.

use super::error::AddressError;
use super::escape::{ValueError, is_plain, unescape};

/// A part of the text, and its position.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Piece<'a> {
    /// Returns the parts between the separators.
    pub(super) fn split(self, separator: u8) -> impl Iterator<Item = Piece<'a>> {
        let mut position = self.position;
        self.text.split(move |&byte| byte == separator).map(move |text| {
            let piece = Piece { text, position };
            position += text.len() + 1;
            piece
        })
    }

    /// Returns the parts before and after the first separator.
    pub(super) fn cut(self, separator: u8) -> Option<(Piece<'a>, Piece<'a>)> {
        let index = self.text.iter().position(|&byte| byte == separator)?;
        let before = Piece { text: &self.text[..index], position: self.position };
        let after = Piece { text: &self.text[index + 1..], position: self.position + index + 1 };
        Some((before, after))
    }

    pub(super) fn name(self) -> Result<&'a str, AddressError> {
        let position = self.position;
        if self.text.is_empty() {
            return Err(AddressError::EmptyName { position });
        }
        if let Some(index) = self.text.iter().position(|&byte| !is_plain(byte)) {
            let byte = self.text[index];
            return Err(AddressError::BadName { position: position + index, byte });
        }
        Ok(std::str::from_utf8(self.text).expect("plain bytes are ASCII"))
    }

    pub(super) fn unescaped(self) -> Result<Vec<u8>, AddressError> {
        unescape(self.text).map_err(|error| match error {
            ValueError::Unescaped(index) => {
                AddressError::Unescaped { position: self.position + index, byte: self.text[index] }
            }
            ValueError::BadEscape(index) => {
                AddressError::BadEscape { position: self.position + index }
            }
        })
    }
}
