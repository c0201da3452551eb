//! Which signatures are valid, and where in one of them each array ends. A reader that believes an
//! invalid one reads past its bytes (CVE-2022-42010: brackets that do not match), so every
//! signature is looked at before a value is (D-Bus Specification, "Valid Signatures").

use std::error::Error;
use std::fmt;

/// The longest signature, in bytes ("Valid Signatures").
const MAX_BYTES: usize = 255;

/// The most arrays within each other, and the most structs ("Valid Signatures").
const MAX_DEPTH: u8 = 32;

/// Why a signature is not valid (D-Bus Specification, "Valid Signatures").
///
/// ```
/// use anchovy_dbus::{FieldError, HeaderField, Message, MessageError, SignatureError};
///
/// let refused = Message::method_call("/", "Set").body("a{vs}", vec![0; 4]).build().unwrap_err();
/// assert_eq!(
///     refused.error,
///     MessageError::Field {
///         field: HeaderField::Signature,
///         error: FieldError::Signature(SignatureError::KeyNotBasic),
///     }
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has more than 255 bytes.
    TooLong,
    /// A byte of it is the code of no type.
    UnknownType(u8),
    /// A bracket is not closed, or not by its like, or one is closed that was not opened.
    Brackets,
    /// An array says not of what.
    ArrayOfNothing,
    /// A struct has no fields.
    EmptyStruct,
    /// A dict entry is no element of an array.
    EntryOutsideArray,
    /// The key of a dict entry is no basic type.
    KeyNotBasic,
    /// A dict entry has not exactly two fields.
    EntryNotPair,
    /// More than 32 arrays are within each other.
    TooManyArrays,
    /// More than 32 structs are within each other.
    TooManyStructs,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignatureError::TooLong => "it has more than 255 bytes",
            SignatureError::UnknownType(code) => {
                return write!(f, "there is no type {:?}", char::from(*code));
            }
            SignatureError::Brackets => "its brackets do not match",
            SignatureError::ArrayOfNothing => "an array has no element type",
            SignatureError::EmptyStruct => "a struct has no fields",
            SignatureError::EntryOutsideArray => "a dict entry is no element of an array",
            SignatureError::KeyNotBasic => "the key of a dict entry is no basic type",
            SignatureError::EntryNotPair => "a dict entry has not exactly two fields",
            SignatureError::TooManyArrays => "more than 32 arrays are within each other",
            SignatureError::TooManyStructs => "more than 32 structs are within each other",
        })
    }
}

impl Error for SignatureError {}

/// A valid signature.
pub(super) struct Signature<'a> {
    codes: &'a [u8],
    /// For the code of each array, where its element type ends. Who passes over arrays that are
    /// empty would otherwise look through all of that type again for every four bytes.
    ends: [u8; MAX_BYTES],
    /// How many complete types it has.
    types: usize,
}

impl<'a> Signature<'a> {
    pub(super) fn new(codes: &'a [u8]) -> Result<Signature<'a>, SignatureError> {
        if codes.len() > MAX_BYTES {
            return Err(SignatureError::TooLong);
        }
        let mut signature = Signature { codes, ends: [0; MAX_BYTES], types: 0 };
        let mut at = 0;
        while at < codes.len() {
            at = signature.complete_type(at, Depth::default())?;
            signature.types += 1;
        }
        Ok(signature)
    }

    /// How many complete types it has.
    pub(super) fn types(&self) -> usize {
        self.types
    }

    /// The code at this place, if there is one.
    pub(super) fn code(&self, at: usize) -> Option<u8> {
        self.codes.get(at).copied()
    }

    /// Where the array ends whose code is at this place.
    pub(super) fn end_of_array(&self, at: usize) -> usize {
        self.ends.get(at).copied().unwrap_or_default().into()
    }

    /// Looks at the complete type that begins here; returns where the next one does.
    fn complete_type(&mut self, at: usize, depth: Depth) -> Result<usize, SignatureError> {
        match self.code(at) {
            Some(b'a') => self.array(at, depth),
            Some(b'(') => self.structure(at + 1, depth),
            Some(b'{') => Err(SignatureError::EntryOutsideArray),
            Some(b')' | b'}') | None => Err(SignatureError::Brackets),
            Some(code) if is_basic(code) || code == b'v' => Ok(at + 1),
            Some(code) => Err(SignatureError::UnknownType(code)),
        }
    }

    fn array(&mut self, at: usize, mut depth: Depth) -> Result<usize, SignatureError> {
        depth.arrays += 1;
        if depth.arrays > MAX_DEPTH {
            return Err(SignatureError::TooManyArrays);
        }
        let end = match self.code(at + 1) {
            Some(b')' | b'}') | None => return Err(SignatureError::ArrayOfNothing),
            Some(b'{') => self.entry(at + 2, depth)?,
            Some(_) => self.complete_type(at + 1, depth)?,
        };
        // An end is at most the length of a signature, 255.
        self.ends[at] = end as u8;
        Ok(end)
    }

    fn structure(&mut self, mut at: usize, mut depth: Depth) -> Result<usize, SignatureError> {
        depth.structs += 1;
        if depth.structs > MAX_DEPTH {
            return Err(SignatureError::TooManyStructs);
        }
        if self.code(at) == Some(b')') {
            return Err(SignatureError::EmptyStruct);
        }
        while self.code(at) != Some(b')') {
            at = self.complete_type(at, depth)?;
        }
        Ok(at + 1)
    }

    fn entry(&mut self, at: usize, depth: Depth) -> Result<usize, SignatureError> {
        match self.code(at) {
            None => return Err(SignatureError::Brackets),
            Some(b'}') => return Err(SignatureError::EntryNotPair),
            Some(key) if !is_basic(key) => return Err(SignatureError::KeyNotBasic),
            Some(_) => {}
        }
        if self.code(at + 1) == Some(b'}') {
            return Err(SignatureError::EntryNotPair);
        }
        let end = self.complete_type(at + 1, depth)?;
        match self.code(end) {
            Some(b'}') => Ok(end + 1),
            Some(b')') | None => Err(SignatureError::Brackets),
            Some(_) => Err(SignatureError::EntryNotPair),
        }
    }
}

/// How many arrays and structs are around a type.
///
/// Dict entries need no number of their own: each is in an array.
#[derive(Clone, Copy, Default)]
struct Depth {
    arrays: u8,
    structs: u8,
}

fn is_basic(code: u8) -> bool {
    matches!(
        code,
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'h'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn valid(signature: &str, types: usize) {
        let outcome = Signature::new(signature.as_bytes()).map(|signature| signature.types());
        assert_eq!(outcome, Ok(types), "{signature}");
    }

    #[track_caller]
    fn invalid(signature: &str, error: SignatureError) {
        let outcome = Signature::new(signature.as_bytes()).map(|signature| signature.types());
        assert_eq!(outcome, Err(error), "{signature}");
    }

    #[test]
    fn types_are_counted() {
        valid("", 0);
        valid("s", 1);
        valid("ybnqiuxtdsoghv", 14);
        valid("a{sv}(ii)ai", 3);
        valid("a(ya{s(vv)}aas)", 1);
    }

    #[test]
    fn codes_of_no_type_are_refused() {
        for code in "rem*?@&^zA1 ".chars() {
            invalid(&code.to_string(), SignatureError::UnknownType(code as u8));
            invalid(&format!("(i{code})"), SignatureError::UnknownType(code as u8));
        }
    }

    #[test]
    fn a_nul_is_no_type() {
        for signature in ["\0", "s\0s", "(s\0)", "a\0", "a{s\0}"] {
            invalid(signature, SignatureError::UnknownType(0));
        }
        invalid("a{\0s}", SignatureError::KeyNotBasic);
        invalid("a{ss\0", SignatureError::EntryNotPair);
    }

    #[test]
    fn brackets_have_to_match() {
        for signature in ["(", "(i", ")", "}", "i)", "(i}", "a{ss", "a{ss)", "a{", "((i)", "a{s"] {
            invalid(signature, SignatureError::Brackets);
        }
    }

    #[test]
    fn an_array_is_of_something() {
        for signature in ["a", "aa", "(a)", "ia", "a{sa}"] {
            invalid(signature, SignatureError::ArrayOfNothing);
        }
    }

    #[test]
    fn a_struct_has_fields() {
        invalid("()", SignatureError::EmptyStruct);
        invalid("a(i())", SignatureError::EmptyStruct);
    }

    #[test]
    fn a_dict_entry_is_an_element_of_an_array() {
        invalid("{ss}", SignatureError::EntryOutsideArray);
        invalid("({ss})", SignatureError::EntryOutsideArray);
        invalid("a{s{ss}}", SignatureError::EntryOutsideArray);
    }

    #[test]
    fn a_key_is_of_a_basic_type() {
        for key in ["v", "as", "(s)", "{ss}", "z", ")"] {
            invalid(&format!("a{{{key}s}}"), SignatureError::KeyNotBasic);
        }
        for key in "ybnqiuxtdsogh".chars() {
            valid(&format!("a{{{key}s}}"), 1);
        }
    }

    #[test]
    fn a_dict_entry_is_a_pair() {
        for signature in ["a{}", "a{s}", "a{sss}", "a{ssa{ss}}"] {
            invalid(signature, SignatureError::EntryNotPair);
        }
    }

    #[test]
    fn arrays_are_32_deep_at_most() {
        valid(&format!("{}y", "a".repeat(32)), 1);
        invalid(&format!("{}y", "a".repeat(33)), SignatureError::TooManyArrays);
        // Those in a row, and those with something between them.
        valid(&format!("{}y{}", "a(".repeat(32), ")".repeat(32)), 1);
        invalid(&format!("{}ay{}", "a(".repeat(32), ")".repeat(32)), SignatureError::TooManyArrays);
        valid(&format!("{}y{}", "a{s".repeat(32), "}".repeat(32)), 1);
        invalid(
            &format!("{}ay{}", "a{s".repeat(32), "}".repeat(32)),
            SignatureError::TooManyArrays,
        );
    }

    #[test]
    fn structs_are_32_deep_at_most() {
        valid(&format!("{}y{}", "(".repeat(32), ")".repeat(32)), 1);
        invalid(&format!("{}y{}", "(".repeat(33), ")".repeat(33)), SignatureError::TooManyStructs);
    }

    #[test]
    fn depth_is_counted_anew_for_what_stands_beside() {
        let deep = format!("{}{}y{}", "a".repeat(32), "(".repeat(32), ")".repeat(32));
        valid(&format!("{deep}{deep}"), 2);
        valid(&format!("{}(ayay){}", "(".repeat(31), ")".repeat(31)), 1);
    }

    #[test]
    fn a_signature_has_255_bytes_at_most() {
        valid(&"y".repeat(255), 255);
        invalid(&"y".repeat(256), SignatureError::TooLong);
    }

    #[test]
    fn the_end_of_each_array_is_known() {
        let signature = Signature::new(b"ia(sai)aaya{sai}s").unwrap_or_else(|e| panic!("{e}"));
        let ends: Vec<_> = [1, 4, 7, 8, 10, 13].map(|at| signature.end_of_array(at)).into();
        assert_eq!(ends, [7, 6, 10, 10, 16, 15]);
    }

    #[test]
    fn the_end_of_the_longest_array_is_known() {
        let codes = format!("a({})", "y".repeat(252));
        let signature = Signature::new(codes.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(signature.end_of_array(0), 255);
    }
}
