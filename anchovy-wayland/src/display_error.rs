//! The error that a compositor sends before it disconnects a client (`wl_display.error`).

use std::error::Error;
use std::fmt;
use std::io;

use crate::escaped::Escaped;
use crate::opcodes::wl_display;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// Number of bytes that are sent of a text: libwayland has a buffer of 128, with a NUL.
const MAX_TEXT: usize = 127;

/// A `wl_display.error`: the error of a client that a compositor reports before it disconnects it.
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
    /// The id of the object that the error is about; 0 if the compositor named none.
    pub object: u32,
    /// The interface of that object, if it is known: to the [`Connection`](crate::Connection) of a
    /// client. It is not sent.
    pub interface: Option<String>,
    /// The code of the error, which the interface of that object defines. Those of `wl_display` are
    /// constants here.
    pub code: u32,
    /// A description. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

impl DisplayError {
    /// There is no such object (`wayland.xml`, `wl_display.error`).
    pub const INVALID_OBJECT: u32 = 0;
    /// There is no such request, or it is malformed.
    pub const INVALID_METHOD: u32 = 1;
    /// The compositor has no memory, no room in its descriptor table, or no room for this client.
    pub const NO_MEMORY: u32 = 2;
    /// The compositor has a defect.
    pub const IMPLEMENTATION: u32 = 3;

    /// Creates an error of this object.
    pub fn new(object: ObjectId, code: u32, text: impl Into<String>) -> DisplayError {
        DisplayError { object: object.get(), interface: None, code, text: text.into() }
    }

    /// Returns the event, to be sent before the connection is closed.
    ///
    /// The text is cut before a NUL, and after 127 bytes: libwayland has room for as many.
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

    /// Reads the error of an event; `None` if it is another event.
    ///
    /// # Errors
    ///
    /// [`WireError`] if it is a `wl_display.error`, and malformed.
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

/// Returns what libwayland reports for a request that it cannot read, less the names that are not known
/// here.
pub(crate) fn invalid_arguments(object: u32, opcode: u16) -> DisplayError {
    let text = format!("invalid arguments for object {object}, method {opcode}");
    DisplayError::new(ObjectId::DISPLAY, DisplayError::INVALID_METHOD, text)
}

/// Returns what a compositor reports to a client whose request it could not read.
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
        write!(f, "the compositor reports error {code} of ")?;
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
        assert_eq!(error_chain(&error), ["the compositor reports error 2 of object 7: no"]);
        let error = DisplayError { interface: Some("wl_shm".into()), text: "a\nb".into(), ..error };
        let text = "the compositor reports error 2 of wl_shm#7: a\\nb";
        assert_eq!(error_chain(&error), [text]);
    }
}
