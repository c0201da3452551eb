//! The error of creating a message, with its descriptors.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::error::MessageError;

/// The error of building or parsing a message, with the descriptors for the message.
///
/// Converting it into an [`io::Error`] closes the descriptors and keeps the [`MessageError`].
///
/// # Examples
///
/// ```
/// use anchovy_dbus::Message;
///
/// let null = std::fs::File::open("/dev/null")?;
/// let refused = Message::method_call("no path", "Take").fd(null).build().unwrap_err();
/// assert_eq!(refused.fds.len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BuildError {
    /// The reason.
    pub error: MessageError,
    /// All descriptors that were added to the builder or passed to
    /// [`Message::from_bytes`](crate::Message::from_bytes), in order. They are open.
    pub fds: Vec<OwnedFd>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for BuildError {}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> io::Error {
        error.error.into()
    }
}
