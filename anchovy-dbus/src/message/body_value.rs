//! Values as bodies.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeTuple, Serializer};
use zbus::wire::serialized::Context;
use zbus::wire::{DynamicType, Endian, Signature, to_bytes_for_signature};
use zbus::{Error as ZbusError, Fd};

use super::body_error::BodyError;
use super::byte_order::ByteOrder;
use super::swap::swap_byte_order;

/// A body that was encoded from a value.
#[derive(Debug)]
pub(super) struct EncodedBody {
    order: ByteOrder,
    signature: String,
    bytes: Vec<u8>,
    /// Duplicates of the descriptors in the value.
    pub(super) fds: Vec<OwnedFd>,
    /// Number of descriptors of the message before these.
    pub(super) before: usize,
}

impl EncodedBody {
    /// Encodes a value. The index of its first descriptor is the number of descriptors in `before`.
    pub(super) fn new<T>(
        value: &T,
        order: ByteOrder,
        before: &[OwnedFd],
    ) -> Result<EncodedBody, BodyError>
    where
        T: Serialize + DynamicType + ?Sized,
    {
        let signature = value.signature();
        let encoded = encode_after(value, &signature, order, before);
        let (signature, before) = (signature.to_string_no_parens(), before.len());
        match encoded {
            Ok((bytes, fds)) => Ok(EncodedBody { order, signature, bytes, fds, before }),
            Err(error) => Err(BodyError::Encode { signature, error }),
        }
    }

    pub(super) fn signature(&self) -> &str {
        &self.signature
    }

    /// Takes the bytes, converted to this byte order.
    pub(super) fn take_bytes(&mut self, order: ByteOrder) -> Result<Bytes, BodyError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        if order == self.order || swap_byte_order(&mut bytes, &self.signature, self.order) {
            Ok(bytes.into())
        } else {
            let (signature, error) = (self.signature.clone(), ZbusError::IncorrectType);
            Err(BodyError::Encode { signature, error })
        }
    }
}

/// Encodes a value whose descriptors have the indexes after those of `before`.
///
/// zbus counts indexes from 0 for each encoding. So the descriptors of `before` are encoded with the
/// value, and then removed from the result.
fn encode_after<T>(
    value: &T,
    signature: &Signature,
    order: ByteOrder,
    before: &[OwnedFd],
) -> Result<(Vec<u8>, Vec<OwnedFd>), ZbusError>
where
    T: Serialize + ?Sized,
{
    let context = context(order);
    if before.is_empty() || *signature == Signature::Unit {
        let data = to_bytes_for_signature(context, signature, value)?;
        let fds = duplicates(data.fds())?;
        return Ok((data.bytes().to_vec(), fds));
    }
    // A struct is aligned to 8 bytes, as a body is.
    let is_struct = matches!(signature, Signature::Structure(_));
    let aligned =
        if is_struct { signature.clone() } else { Signature::structure([signature.clone()]) };
    let whole = Signature::structure([Signature::array(Signature::Fd), aligned]);
    let after = After { before, value, is_struct };
    let data = to_bytes_for_signature(context, &whole, &after)?;
    // An array has a length of 4 bytes, and so has each index.
    let start = (4 + 4 * before.len()).next_multiple_of(8);
    let bytes = data.bytes().get(start..).ok_or(ZbusError::OutOfBounds)?;
    let fds = data.fds().get(before.len()..).ok_or(ZbusError::OutOfBounds)?;
    Ok((bytes.to_vec(), duplicates(fds)?))
}

/// Duplicates the descriptors in an encoded value. zbus has duplicated them too, but does not give up
/// its duplicates.
fn duplicates(fds: &[Fd<'_>]) -> Result<Vec<OwnedFd>, ZbusError> {
    fds.iter().map(|fd| fd.try_to_owned()?.try_into()).collect()
}

pub(super) fn context(order: ByteOrder) -> Context {
    let endian = match order {
        ByteOrder::Little => Endian::Little,
        ByteOrder::Big => Endian::Big,
    };
    Context::new(endian, 0)
}

/// A value after an array of descriptors.
struct After<'v, T: ?Sized> {
    before: &'v [OwnedFd],
    value: &'v T,
    is_struct: bool,
}

impl<T: Serialize + ?Sized> Serialize for After<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let before: Vec<Fd<'_>> = self.before.iter().map(Fd::from).collect();
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&before)?;
        match self.is_struct {
            true => tuple.serialize_element(self.value)?,
            false => tuple.serialize_element(&(self.value,))?,
        }
        tuple.end()
    }
}
