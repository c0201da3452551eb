//! Passing over values that nobody here understands. A header may have fields of later
//! specifications; they are ignored, but where they end only their types tell, and types are the
//! data. So every value is looked at as if it mattered, the nesting is bounded, and nothing
//! is allocated (D-Bus Specification, "Header Fields" and "Marshaling").

use super::field_error::FieldError;
use super::reader::Reader;
use super::signature::{Signature, is_basic};
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
    let (codes, _) = reader.signature_codes()?;
    // The shortest signatures need no table, which would cost more than to pass over the value.
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

/// Passes over a value of the type that begins at `at`, in `depth` containers; returns where the
/// next type begins.
///
/// Structs are not recursed into, and brackets that follow each other count as one: all but them
/// take up bytes, so that the time is linear in these.
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
                // It is not empty.
                continue;
            }
            b')' | b'}' => {
                // Some may be of structs around the first type.
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

/// Passes over a value of a type that has one code, in `depth` containers.
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

/// Passes over an array of the type that begins at `element`; it is the container number `depth`.
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
    // After its length, everything else is aligned already.
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

/// Passes over an array of a type of this fixed size.
fn fixed_array(reader: &mut Reader<'_>, size: usize) -> Result<(), FieldError> {
    let length = array_length(reader)?;
    if size == 8 {
        reader.align(8)?;
    }
    // Who counts elements and believes the length reads past the end (CVE-2022-42011).
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
