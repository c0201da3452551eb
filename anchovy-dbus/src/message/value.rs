//! Skipping of the values of unknown header fields (D-Bus Specification, "Header Fields" and
//! "Marshaling").
//!
//! A header may have fields of a later specification, which are ignored. The end of such a field can
//! only be found by parsing its value, whose type is part of the message. So every value is checked
//! completely, the nesting is limited, and nothing is allocated.

use super::field_error::FieldError;
use super::reader::Reader;
use super::signature::{Signature, is_basic};
use crate::limits::MAX_ARRAY_BYTES;

/// Maximum depth of nested containers in a message ("Marshaling containers").
const MAX_DEPTH: u8 = 64;

/// Number of containers around the value of a header field: the array of fields, the field, and its
/// variant.
const FIELD_DEPTH: u8 = 3;

/// Skips the variant that is the value of a header field.
pub(super) fn skip_field(reader: &mut Reader<'_>) -> Result<(), FieldError> {
    variant(reader, FIELD_DEPTH)
}

/// Skips a variant, which is the container at this depth.
fn variant(reader: &mut Reader<'_>, depth: u8) -> Result<(), FieldError> {
    let codes = reader.signature_codes()?;
    // The shortest signatures are handled without a table, which would take longer than the value.
    match *codes {
        [code] if is_basic(code) || code == b'v' => return single(reader, code, depth),
        [b'a', element] => {
            if let Some(size) = fixed_size(element) {
                deeper(depth)?;
                return fixed_array(reader, size);
            }
        }
        _ => {}
    }
    let mut ends = [0; 255];
    let signature = Signature::new(codes, &mut ends)?;
    if signature.types() != 1 {
        return Err(FieldError::NotOneType);
    }
    value(reader, &signature, 0, depth)?;
    Ok(())
}

/// Skips a value, in `depth` containers, whose type begins at `at` in the signature. Returns the
/// position of the next type.
///
/// Structs do not recurse, and successive brackets of the same kind take one step. Every other step
/// consumes bytes, so the time is linear in the length of the value.
fn value(
    reader: &mut Reader<'_>,
    signature: &Signature<'_>,
    mut at: usize,
    depth: u8,
) -> Result<usize, FieldError> {
    let mut open = 0;
    loop {
        let Some(code) = signature.code(at) else { return Err(FieldError::Type) };
        match code {
            b'(' | b'{' => {
                reader.align(8)?;
                let end = signature.end(at);
                open += (end - at) as u8;
                if depth + open > MAX_DEPTH {
                    return Err(FieldError::TooDeep);
                }
                at = end;
                // A struct is not empty, so another type follows.
                continue;
            }
            b')' | b'}' => {
                // Some of the brackets may close structs that began before this value.
                let closed = open.min((signature.end(at) - at) as u8);
                open -= closed;
                at += usize::from(closed);
            }
            b'a' => {
                array(reader, signature, at + 1, deeper(depth + open)?)?;
                at = signature.end(at);
            }
            _ => {
                single(reader, code, depth + open)?;
                at += 1;
            }
        }
        if open == 0 {
            return Ok(at);
        }
    }
}

/// Skips a value, in `depth` containers, of a type with a single code.
fn single(reader: &mut Reader<'_>, code: u8, depth: u8) -> Result<(), FieldError> {
    match code {
        b'b' => match reader.number()? {
            0 | 1 => Ok(()),
            value => Err(FieldError::Boolean(value)),
        },
        b's' => reader.string(),
        b'o' => reader.object_path().map(|_| ()),
        b'g' => reader.signature().map(|_| ()),
        b'v' => variant(reader, deeper(depth)?),
        _ => {
            let Some(size) = fixed_size(code) else { return Err(FieldError::Type) };
            reader.align(size)?;
            reader.take(size).map(|_| ())
        }
    }
}

/// Skips an array, which is the container at this depth. The type of its elements begins at `element`.
fn array(
    reader: &mut Reader<'_>,
    signature: &Signature<'_>,
    element: usize,
    depth: u8,
) -> Result<(), FieldError> {
    let code = signature.code(element).ok_or(FieldError::Type)?;
    if let Some(size) = fixed_size(code) {
        return fixed_array(reader, size);
    }
    let length = array_length(reader)?;
    // After the length, the elements of all other types are aligned already.
    if matches!(code, b'(' | b'{') {
        reader.align(8)?;
    }
    reader.within(length, |elements| {
        while !elements.is_at_end() {
            value(elements, signature, element, depth)?;
        }
        Ok(())
    })
}

/// Skips an array whose elements have this fixed size.
fn fixed_array(reader: &mut Reader<'_>, size: usize) -> Result<(), FieldError> {
    let length = array_length(reader)?;
    if size == 8 {
        reader.align(8)?;
    }
    // A parser that accepts such a length and counts elements reads past the end (CVE-2022-42011).
    if length % size != 0 {
        return Err(FieldError::ArrayNotWhole);
    }
    reader.take(length).map(|_| ())
}

fn array_length(reader: &mut Reader<'_>) -> Result<usize, FieldError> {
    let length = reader.number()?;
    if length as usize > MAX_ARRAY_BYTES {
        return Err(FieldError::ArrayTooLong(length));
    }
    Ok(length as usize)
}

fn deeper(depth: u8) -> Result<u8, FieldError> {
    if depth >= MAX_DEPTH { Err(FieldError::TooDeep) } else { Ok(depth + 1) }
}

/// Returns the size of a type for which every bit pattern is valid. It is also the alignment.
fn fixed_size(code: u8) -> Option<usize> {
    match code {
        b'y' => Some(1),
        b'n' | b'q' => Some(2),
        b'i' | b'u' | b'h' => Some(4),
        b'x' | b't' | b'd' => Some(8),
        _ => None,
    }
}
