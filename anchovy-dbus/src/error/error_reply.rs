//! An error as the reply to a call.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;

use crate::message::content::Message;
use crate::message::message_type::MessageType;

/// Maximum number of characters of the peer's text in `Display` and `Debug`.
const MAX_SHOWN: usize = 1024;

/// A message of type `ERROR` that is the reply to a [call](crate::Connection::call).
///
/// `Display` writes the name of the error and the first argument if it is a string, which by
/// convention describes the error. It escapes control characters, and writes at most 1024 characters
/// of the argument.
///
/// # Examples
///
/// ```
/// # use std::num::NonZeroU32;
/// use anchovy_dbus::{ErrorReply, Message};
///
/// # let call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN).build()?;
/// # let length = 7_u32.to_ne_bytes();
/// # let body = [&length[..], b"no\nroom\0"].concat();
/// let message = Message::error(&call, "org.example.Full").body("s", body).build()?;
/// let error = ErrorReply::new(message).expect("it is an error");
/// assert_eq!(error.name(), "org.example.Full");
/// assert_eq!(error.text(), Some("no\nroom"));
/// assert_eq!(error.to_string(), r"org.example.Full: no\nroom");
/// # Ok::<(), anchovy_dbus::BuildError>(())
/// ```
pub struct ErrorReply {
    message: Box<Message>,
}

impl ErrorReply {
    /// Creates an `ErrorReply` from a message.
    ///
    /// # Errors
    ///
    /// Returns the message if its type is not `ERROR`.
    pub fn new(message: Message) -> Result<ErrorReply, Box<Message>> {
        match message.header().message_type() {
            MessageType::Error => Ok(ErrorReply::from_error(message)),
            _ => Err(Box::new(message)),
        }
    }

    /// Creates an `ErrorReply` from a message of type `ERROR`.
    pub(crate) fn from_error(message: Message) -> ErrorReply {
        ErrorReply { message: Box::new(message) }
    }

    /// Returns the name of the error.
    pub fn name(&self) -> &str {
        // Every message of this type has a name.
        self.message.header().error_name().unwrap_or_default()
    }

    /// Returns the first argument, if it is a string.
    pub fn text(&self) -> Option<&str> {
        self.message.first_string()
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Converts the error into the message, with its descriptors.
    pub fn into_message(self) -> Message {
        *self.message
    }

    /// Returns the kind that has the meaning of the name.
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        const PREFIX: &str = "org.freedesktop.DBus.Error.";
        match self.name().strip_prefix(PREFIX).unwrap_or_default() {
            "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired" => {
                io::ErrorKind::PermissionDenied
            }
            "NoReply" | "Timeout" | "TimedOut" => io::ErrorKind::TimedOut,
            "ServiceUnknown"
            | "NameHasNoOwner"
            | "FileNotFound"
            | "UnknownObject"
            | "UnixProcessIdUnknown" => io::ErrorKind::NotFound,
            "UnknownMethod" | "UnknownInterface" | "NotSupported" => io::ErrorKind::Unsupported,
            "InvalidArgs" | "InvalidSignature" | "MatchRuleInvalid" => io::ErrorKind::InvalidInput,
            "FileExists" | "AddressInUse" => io::ErrorKind::AlreadyExists,
            "NoMemory" => io::ErrorKind::OutOfMemory,
            "LimitsExceeded" => io::ErrorKind::QuotaExceeded,
            "Disconnected" => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        }
    }
}

impl fmt::Debug for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorReply")
            .field("name", &self.name())
            .field("text", &self.text().map(Shown))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.text() {
            Some(text) if !text.is_empty() => write!(f, ": {}", Shown(text)),
            _ => Ok(()),
        }
    }
}

impl Error for ErrorReply {}

/// The kind of the [`io::Error`] is the one that corresponds to the name of the D-Bus error, such as
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for
/// `org.freedesktop.DBus.Error.AccessDenied`, or [`Other`](io::ErrorKind::Other) if none corresponds to it.
impl From<ErrorReply> for io::Error {
    fn from(error: ErrorReply) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}

/// A text of the peer, with escapes for characters that control a terminal.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, character) in self.0.chars().enumerate() {
            if number == MAX_SHOWN {
                return f.write_str("...");
            }
            if is_control(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Returns whether a character is a control character, or changes the direction of a text.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
