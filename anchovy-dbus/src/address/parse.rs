//! The parser of addresses.
//!
//! ```text
//! addresses = address *( ";" address ) [ ";" ]
//! address   = name ":" [ pair *( "," pair ) ]
//! pair      = name "=" value
//! ```
//!
//! A name or a value cannot contain a separator, so the text is split at the separators first. Each
//! piece stores its position for errors.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use super::addresses::Addresses;
use super::construct::Address;
use super::error::AddressError;
use super::other_transport::OtherTransport;
use super::piece::Piece;
use super::transport::Transport;
use crate::guid::Guid;

impl Address {
    /// Parses one address. [`str::parse`] does the same for a string.
    ///
    /// # Errors
    ///
    /// Returns an [`AddressError`] if the text is not an address, or is a list of several.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert!(Address::parse(b"unix:path=/run/bus").is_ok());
    /// assert!(Address::parse(b"unix:path=/run/my bus").is_err()); // A space must be %20.
    /// ```
    pub fn parse(text: &[u8]) -> Result<Address, AddressError> {
        address(text)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text.as_bytes())
    }
}

impl Addresses {
    /// Parses a list of addresses that are separated by semicolons. [`str::parse`] does the same for a
    /// string.
    ///
    /// One semicolon can follow the last address, as in the reference implementation. Any other empty
    /// address is an error.
    ///
    /// In cases that the specification leaves open, the parser is strict:
    ///
    /// - Names and keys consist of the bytes that need no escape in values.
    /// - A key occurs once, and its value is not empty.
    /// - An unknown key of a Unix socket is an error, because it may change which socket is meant.
    ///
    /// # Errors
    ///
    /// Returns an [`AddressError`] if the text is not a list of addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{AddressError, Addresses};
    ///
    /// let list = Addresses::parse(b"unix:runtime=yes;unix:tmpdir=/tmp")?;
    /// assert_eq!(list.to_string(), "unix:runtime=yes;unix:tmpdir=/tmp");
    ///
    /// assert_eq!(Addresses::parse(b""), Err(AddressError::Empty));
    /// # Ok::<(), AddressError>(())
    /// ```
    pub fn parse(text: &[u8]) -> Result<Addresses, AddressError> {
        addresses(text).map(Addresses)
    }
}

impl FromStr for Addresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Addresses, AddressError> {
        Addresses::parse(text.as_bytes())
    }
}

/// A key and its escaped value.
struct Pair<'a> {
    key: &'a str,
    at: usize,
    value: Piece<'a>,
}

fn addresses(text: &[u8]) -> Result<Vec<Address>, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    let text = text.strip_suffix(b";").unwrap_or(text);
    Piece { text, position: 0 }.split(b';').map(one).collect()
}

fn address(text: &[u8]) -> Result<Address, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some(position) = text.iter().position(|&byte| byte == b';') {
        return Err(AddressError::SeveralAddresses { position });
    }
    one(Piece { text, position: 0 })
}

fn one(piece: Piece<'_>) -> Result<Address, AddressError> {
    let position = piece.position;
    if piece.text.is_empty() {
        return Err(AddressError::EmptyAddress { position });
    }
    let (name, rest) = piece.cut(b':').ok_or(AddressError::MissingColon { position })?;
    let name = name.name()?;
    let mut pairs = pairs(rest)?;

    let mut guid = None;
    if let Some(index) = pairs.iter().position(|pair| pair.key == "guid") {
        let value = pairs.remove(index).value;
        let position = value.position;
        let parsed = Guid::parse(&value.unescaped()?);
        guid = Some(parsed.map_err(|error| AddressError::BadGuid { position, error })?);
    }
    let bare = if name == "unix" { unix(position, pairs)? } else { other(name, pairs)? };
    Ok(Address { guid, ..bare })
}

fn unix(position: usize, pairs: Vec<Pair<'_>>) -> Result<Address, AddressError> {
    let mut socket = None;
    for Pair { key, at, value } in pairs {
        let path = |value: Piece<'_>| Ok(path_of(value.unescaped()?));
        let address = match key {
            "path" => Address::path(path(value)?)?,
            "abstract" => Address::abstract_name(value.unescaped()?)?,
            "dir" => Address::dir(path(value)?)?,
            "tmpdir" => Address::tmpdir(path(value)?)?,
            "runtime" => {
                let position = value.position;
                if value.unescaped()? != b"yes" {
                    return Err(AddressError::BadRuntime { position });
                }
                Address::runtime()
            }
            _ => return Err(AddressError::UnknownKey { position: at, key: key.into() }),
        };
        if socket.replace(address).is_some() {
            return Err(AddressError::TwoSockets { position: at, key: key.into() });
        }
    }
    socket.ok_or(AddressError::NoSocket { position })
}

fn other(name: &str, pairs: Vec<Pair<'_>>) -> Result<Address, AddressError> {
    let pairs = pairs
        .into_iter()
        .map(|pair| Ok((pair.key.into(), pair.value.unescaped()?)))
        .collect::<Result<_, _>>()?;
    Ok(Address::new(Transport::Other(OtherTransport { name: name.into(), pairs })))
}

fn pairs(piece: Piece<'_>) -> Result<Vec<Pair<'_>>, AddressError> {
    let mut pairs = Vec::new();
    if piece.text.is_empty() {
        return Ok(pairs);
    }
    let mut seen = HashSet::new();
    for pair in piece.split(b',') {
        let position = pair.position;
        if pair.text.is_empty() {
            return Err(AddressError::EmptyName { position });
        }
        let (key, value) = pair.cut(b'=').ok_or(AddressError::MissingValue { position })?;
        let key = key.name()?;
        if value.text.is_empty() {
            return Err(AddressError::EmptyValue { key: key.into() });
        }
        if !seen.insert(key) {
            return Err(AddressError::DuplicateKey { position, key: key.into() });
        }
        pairs.push(Pair { key, at: position, value });
    }
    Ok(pairs)
}

/// Returns the path of these bytes.
fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests;
