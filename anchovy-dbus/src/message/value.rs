//! Passing over values that nobody here understands. A header may have fields of later
//! specifications; they are ignored, but where they end only their types tell, and types are the
//! peer's word. So every value is looked at as if it mattered, the nesting is bounded, and nothing
//! is allocated (D-Bus Specification, "Header Fields" and "Marshaling").

use super::field_error::FieldError;
use super::reader::Reader;
use super::signature::Signature;
use crate::limits::MAX_ARRAY_BYTES;

/// The most containers within each other in a message ("Marshaling containers").
const MAX_DEPTH: u8 = 64;

/// Containers around the value of a header field: the row of fields, the field, and its variant.
const FIELD_DEPTH: u8 = 3;

/// Passes over the variant that is the value of a header field.
pub(super) fn skip_field(reader: &mut Reader<'_>) -> Result<(), FieldError> {
    variant(reader, FIELD_DEPTH)
}

/// Passes over a variant, which is the container number `depth`.
fn variant(reader: &mut Reader<'_>, depth: u8) -> Result<(), FieldError> {
    let (signature, _) = reader.signature()?;
    if signature.types() != 1 {
        return Err(FieldError::NotOneType);
    }
    value(reader, &signature, 0, depth)?;
    Ok(())
}

/// Passes over a value of the type that begins at `at`, in `depth` containers; returns where the
/// next type begins.
fn value(
    reader: &mut Reader<'_>,
    signature: &Signature<'_>,
    at: usize,
    depth: u8,
) -> Result<usize, FieldError> {
    let code = signature.code(at).ok_or(FieldError::Type)?;
    match code {
        b'b' => match reader.number()? {
            0 | 1 => {}
            value => return Err(FieldError::Boolean(value)),
        },
        b's' => reader.string()?,
        b'o' => {
            reader.object_path()?;
        }
        b'g' => {
            reader.signature()?;
        }
        b'v' => variant(reader, deeper(depth)?)?,
        b'a' => {
            array(reader, signature, at + 1, deeper(depth)?)?;
            return Ok(signature.end_of_array(at));
        }
        b'(' | b'{' => {
            reader.align(8)?;
            let depth = deeper(depth)?;
            let mut at = at + 1;
            while !matches!(signature.code(at), Some(b')' | b'}')) {
                at = value(reader, signature, at, depth)?;
            }
            return Ok(at + 1);
        }
        _ => {
            let size = fixed_size(code).ok_or(FieldError::Type)?;
            reader.align(size)?;
            reader.take(size)?;
        }
    }
    Ok(at + 1)
}

/// Passes over an array of the type that begins at `element`; it is the container number `depth`.
fn array(
    reader: &mut Reader<'_>,
    signature: &Signature<'_>,
    element: usize,
    depth: u8,
) -> Result<(), FieldError> {
    let length = reader.number()?;
    if length as usize > MAX_ARRAY_BYTES {
        return Err(FieldError::ArrayTooLong(length));
    }
    let length = length as usize;
    let code = signature.code(element).ok_or(FieldError::Type)?;
    // Behind its length, everything else is aligned already.
    if matches!(code, b'x' | b't' | b'd' | b'(' | b'{') {
        reader.align(8)?;
    }
    if let Some(size) = fixed_size(code) {
        // Who counts elements and believes the length reads past the end (CVE-2022-42011).
        if length % size != 0 {
            return Err(FieldError::ArrayNotWhole);
        }
        reader.take(length)?;
        return Ok(());
    }
    reader.within(length, |elements| {
        while !elements.is_at_end() {
            value(elements, signature, element, depth)?;
        }
        Ok(())
    })
}

fn deeper(depth: u8) -> Result<u8, FieldError> {
    if depth >= MAX_DEPTH { Err(FieldError::TooDeep) } else { Ok(depth + 1) }
}

/// The bytes of a value of which every bit pattern is valid, which are also its alignment.
fn fixed_size(code: u8) -> Option<usize> {
    match code {
        b'y' => Some(1),
        b'n' | b'q' => Some(2),
        b'i' | b'u' | b'h' => Some(4),
        b'x' | b't' | b'd' => Some(8),
        _ => None,
    }
}
