//! The error that a compositor sends before it disconnects a client (`wl_display.error`).

use std::error::Error;
use std::fmt;
use std::io;

use crate::escaped::Escaped;
use crate::opcodes::wl_display;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// Maximum length of a text that is sent, in bytes. libwayland's buffer has 128 bytes, including the NUL.
const MAX_TEXT: usize = 127;

/// The error that a compositor reports to a client before it disconnects the client (`wl_display.error`).
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{DisplayError, Message, ObjectId};
///
/// let error = DisplayError::new(ObjectId::DISPLAY, DisplayError::NO_MEMORY, "no memory");
/// let message = error.message();
/// assert_eq!(DisplayError::read(&message)?, Some(error));
/// # Ok::<(), anchovy_wayland::WireError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DisplayError {
    /// Id of the object that caused the error, or 0 if the compositor named no object.
    pub object: u32,
    /// Interface of that object. The [`Connection`](crate::Connection) of a client sets it for the display
    /// and for objects that the client has created. It is not sent.
    pub interface: Option<String>,
    /// Code of the error, which the interface of that object defines. The codes of `wl_display` are
    /// associated constants of this type.
    pub code: u32,
    /// Description of the error. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
}

impl DisplayError {
    /// Code: the object does not exist (`wayland.xml`, `wl_display.error`).
    pub const INVALID_OBJECT: u32 = 0;
    /// Code: the interface has no such request, or the request is malformed.
    pub const INVALID_METHOD: u32 = 1;
    /// Code: the compositor has no memory, no room in its descriptor table, or no room for this client.
    pub const NO_MEMORY: u32 = 2;
    /// Code: the compositor has an internal error.
    pub const IMPLEMENTATION: u32 = 3;

    /// Creates an error that this object caused.
    pub fn new(object: ObjectId, code: u32, text: impl Into<String>) -> DisplayError {
        DisplayError { object: object.get(), interface: None, code, text: text.into() }
    }

    /// Builds the event. Send it before you close the connection.
    ///
    /// The text is truncated at the first NUL and after 127 bytes: libwayland's buffer has 128 bytes,
    /// including the NUL.
    pub fn message(&self) -> Message {
        let text = self.text.split('\0').next().unwrap_or_default();
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Message::builder(ObjectId::DISPLAY, wl_display::ERROR)
            .uint(self.object)
            .uint(self.code)
            .string(&text[..end])
            .build()
            .expect("a short text without a NUL")
    }

    /// Reads a `wl_display.error`. Returns `None` for another event.
    ///
    /// # Errors
    ///
    /// Returns a [`WireError`] if the `wl_display.error` is malformed.
    pub fn read(event: &Message) -> Result<Option<DisplayError>, WireError> {
        if !event.is(ObjectId::DISPLAY, wl_display::ERROR) {
            return Ok(None);
        }
        event
            .read_plain(|arguments| {
                let (object, code) = (arguments.uint()?, arguments.uint()?);
                let text = arguments.string()?.to_string_lossy().into_owned();
                Ok(DisplayError { object, interface: None, code, text })
            })
            .map(Some)
    }
}

/// Returns the error that libwayland reports for a malformed request. Its text has ids instead of the
/// names of the interface and the request, which are not known here.
pub(crate) fn invalid_arguments(object: u32, opcode: u16) -> DisplayError {
    let text = format!("invalid arguments for object {object}, method {opcode}");
    DisplayError::new(ObjectId::DISPLAY, DisplayError::INVALID_METHOD, text)
}

/// Converts the error of a malformed request into the error that a compositor reports to its client.
impl From<WireError> for DisplayError {
    fn from(error: WireError) -> DisplayError {
        let WireError { object, opcode, kind } = error;
        let (code, text) = match kind {
            WireErrorKind::NullObject if object == 0 => {
                (DisplayError::INVALID_OBJECT, "invalid object 0".to_owned())
            }
            WireErrorKind::UnknownOpcode => {
                let text = format!("invalid method {opcode}, object {object}");
                (DisplayError::INVALID_METHOD, text)
            }
            WireErrorKind::TooLong { length, limit } => {
                let text = format!("message length {length} exceeds {limit}");
                (DisplayError::INVALID_METHOD, text)
            }
            _ => return invalid_arguments(object, opcode),
        };
        DisplayError::new(ObjectId::DISPLAY, code, text)
    }
}

impl fmt::Display for DisplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DisplayError { object, interface, code, text } = self;
        let text = Escaped(text);
        write!(f, "the compositor reported error {code} of ")?;
        match interface {
            Some(interface) => write!(f, "{}#{object}: {text}", Escaped(interface)),
            None => write!(f, "object {object}: {text}"),
        }
    }
}

impl Error for DisplayError {}

impl From<DisplayError> for io::Error {
    fn from(error: DisplayError) -> io::Error {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    #[test]
    fn a_display_error_shows_its_object_code_and_text() {
        let object = ObjectId::new(7).expect("not 0");
        let error = DisplayError::new(object, 2, "no");
        assert_eq!(error_chain(&error), ["the compositor reported error 2 of object 7: no"]);
        let error = DisplayError { interface: Some("wl_shm".into()), text: "a\nb".into(), ..error };
        let text = "the compositor reported error 2 of wl_shm#7: a\\nb";
        assert_eq!(error_chain(&error), [text]);
    }
}
