//! Validation of signatures, and the end of each array in a signature.
//!
//! A parser that trusts an invalid signature reads out of bounds (CVE-2022-42010: brackets that do not
//! match). So every signature is checked before a value is parsed (D-Bus Specification, "Valid
//! Signatures").

use std::error::Error;
use std::fmt;
use std::io;

/// Maximum length of a signature, in bytes ("Valid Signatures").
const MAX_BYTES: usize = 255;

/// Maximum number of nested arrays, and of nested structs ("Valid Signatures").
const MAX_DEPTH: u8 = 32;

/// The reason why a signature is not valid (D-Bus Specification, "Valid Signatures").
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{FieldError, Message, MessageError, SignatureError};
///
/// let refused = Message::method_call("/", "Set").body("a{vs}", vec![0; 4]).build().unwrap_err();
/// let error = FieldError::Signature(SignatureError::KeyNotBasic);
/// assert!(matches!(refused.error, MessageError::Field { error: found, .. } if found == error));
/// assert_eq!(
///     refused.to_string(),
///     "\"a{vs}\" is not a valid signature: the key of a dict entry is not a basic type"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature has more than 255 bytes.
    TooLong,
    /// A byte is not the code of a type.
    UnknownType(u8),
    /// The brackets do not match.
    Brackets,
    /// An array has no element type.
    ArrayOfNothing,
    /// A struct has no fields.
    EmptyStruct,
    /// A dict entry is not the element type of an array.
    EntryOutsideArray,
    /// The key of a dict entry is not a basic type.
    KeyNotBasic,
    /// A dict entry does not have exactly two fields.
    EntryNotPair,
    /// More than 32 arrays are nested.
    TooManyArrays,
    /// More than 32 structs are nested.
    TooManyStructs,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignatureError::TooLong => "it is too long, limit is 255 bytes",
            SignatureError::UnknownType(code) => {
                return write!(f, "it contains the unknown type {:?}", char::from(*code));
            }
            SignatureError::Brackets => "its brackets do not match",
            SignatureError::ArrayOfNothing => "an array has no element type",
            SignatureError::EmptyStruct => "a struct has no fields",
            SignatureError::EntryOutsideArray => "a dict entry is not the element type of an array",
            SignatureError::KeyNotBasic => "the key of a dict entry is not a basic type",
            SignatureError::EntryNotPair => "a dict entry does not have exactly two fields",
            SignatureError::TooManyArrays => "it nests too many arrays, limit is 32",
            SignatureError::TooManyStructs => "it nests too many structs, limit is 32",
        })
    }
}

impl Error for SignatureError {}

impl From<SignatureError> for io::Error {
    fn from(error: SignatureError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Checks a signature whose parts are not used.
#[inline]
pub(super) fn check(codes: &[u8]) -> Result<(), SignatureError> {
    match *codes {
        [] => Ok(()),
        [code] if is_basic(code) => Ok(()),
        _ => Checker::new(codes, &mut []).check().map(|_| ()),
    }
}

/// A valid signature.
pub(super) struct Signature<'a> {
    codes: &'a [u8],
    ends: &'a Ends,
    /// Number of complete types.
    types: usize,
}

/// For each position in a signature, another position in it.
///
/// For an array, it is the end of the type of its elements. Without it, skipping an empty array, which
/// has four bytes, would take a search through this type. For a bracket, it is the end of the run of
/// the same brackets. Without it, nested structs would take 64 steps for every eight bytes.
pub(super) type Ends = [u8; MAX_BYTES];

impl<'a> Signature<'a> {
    /// Checks a signature, and writes its `ends`.
    pub(super) fn new(
        codes: &'a [u8],
        ends: &'a mut Ends,
    ) -> Result<Signature<'a>, SignatureError> {
        let mut checker = Checker::new(codes, ends);
        let types = checker.check()?;
        if checker.has_brackets {
            checker.note_rows();
        }
        Ok(Signature { codes, ends, types })
    }

    /// Returns the number of complete types.
    pub(super) fn types(&self) -> usize {
        self.types
    }

    /// Returns the code at this position, if there is one.
    pub(super) fn code(&self, at: usize) -> Option<u8> {
        self.codes.get(at).copied()
    }

    /// Returns the end of the array at this position, or of the run of the bracket at this position.
    pub(super) fn end(&self, at: usize) -> usize {
        self.ends[at].into()
    }
}

/// Checks a signature.
struct Checker<'a, 'e> {
    codes: &'a [u8],
    /// [`Ends`], or empty if they are not used.
    ends: &'e mut [u8],
    has_brackets: bool,
}

impl<'a, 'e> Checker<'a, 'e> {
    fn new(codes: &'a [u8], ends: &'e mut [u8]) -> Checker<'a, 'e> {
        Checker { codes, ends, has_brackets: false }
    }

    /// Returns the number of complete types.
    fn check(&mut self) -> Result<usize, SignatureError> {
        if self.codes.len() > MAX_BYTES {
            return Err(SignatureError::TooLong);
        }
        let (mut at, mut types) = (0, 0);
        while at < self.codes.len() {
            at = self.complete_type(at, Depth::default())?;
            types += 1;
        }
        Ok(types)
    }

    /// Writes the end of each run of the same brackets.
    fn note_rows(&mut self) {
        let (mut at, mut end, mut last) = (self.codes.len(), 0, 0);
        while at > 0 {
            at -= 1;
            let code = self.codes[at];
            if code != last {
                (last, end) = (code, at + 1);
            }
            if matches!(code, b'(' | b')' | b'{' | b'}') {
                self.note_end(at, end);
            }
        }
    }

    fn note_end(&mut self, at: usize, end: usize) {
        if let Some(slot) = self.ends.get_mut(at) {
            // An end is at most the length of a signature, 255.
            *slot = end as u8;
        }
    }

    fn code(&self, at: usize) -> Option<u8> {
        self.codes.get(at).copied()
    }

    /// Checks the complete type at this position. Returns the position after it.
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
        self.note_end(at, end);
        Ok(end)
    }

    fn structure(&mut self, mut at: usize, mut depth: Depth) -> Result<usize, SignatureError> {
        self.has_brackets = true;
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
        self.has_brackets = true;
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

/// Numbers of arrays and structs around a type. Dict entries are not counted, because each is the
/// element of an array.
#[derive(Clone, Copy, Default)]
struct Depth {
    arrays: u8,
    structs: u8,
}

/// Returns whether this is the code of a basic type.
pub(super) fn is_basic(code: u8) -> bool {
    matches!(
        code,
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'h'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a signature with and without its ends. Returns the number of its types.
    fn check_both(signature: &str) -> Result<usize, SignatureError> {
        let mut ends = [0; MAX_BYTES];
        let outcome = Signature::new(signature.as_bytes(), &mut ends).map(|found| found.types());
        assert_eq!(check(signature.as_bytes()), outcome.map(|_| ()));
        outcome
    }

    /// Returns the ends of a valid signature at these positions.
    fn ends<const N: usize>(signature: &str, places: [usize; N]) -> [usize; N] {
        let mut ends = [0; MAX_BYTES];
        let signature = Signature::new(signature.as_bytes(), &mut ends);
        let signature = signature.unwrap_or_else(|error| panic!("{error}"));
        places.map(|at| signature.end(at))
    }

    #[track_caller]
    fn valid(signature: &str, types: usize) {
        assert_eq!(check_both(signature), Ok(types), "{signature}");
    }

    #[track_caller]
    fn invalid(signature: &str, error: SignatureError) {
        assert_eq!(check_both(signature), Err(error), "{signature}");
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
        // Arrays with structs or dict entries between them count too.
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
    fn depth_is_counted_separately_for_types_side_by_side() {
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
    fn the_end_of_each_row_of_brackets_is_known() {
        let places = [0, 1, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16];
        let expected = [2, 2, 4, 6, 6, 10, 10, 10, 12, 14, 16, 17];
        assert_eq!(ends("((i)((s)))a{y(v)}", places), expected);
    }

    #[test]
    fn the_end_of_each_array_is_known() {
        assert_eq!(ends("ia(sai)aaya{sai}s", [1, 4, 7, 8, 10, 13]), [7, 6, 10, 10, 16, 15]);
    }

    #[test]
    fn the_end_of_the_longest_array_is_known() {
        let codes = format!("a({})", "y".repeat(252));
        assert_eq!(ends(&codes, [0]), [255]);
    }
}
