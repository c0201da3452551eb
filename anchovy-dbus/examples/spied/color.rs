//! Colors of a terminal.

use std::fmt;

/// Whether lines have colors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Color(pub(super) bool);

/// A role in a line, which has a color.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each spy uses some of them")]
pub(crate) enum Role {
    /// Times and other things of less interest.
    Faint,
    /// The name of a message.
    Name,
    /// A call or a request.
    Request,
    /// A reply.
    Reply,
    /// A signal or an event.
    Event,
    /// An error.
    Error,
    /// A descriptor.
    Fd,
}

impl Color {
    /// Returns a text that is printed in the color of this role.
    pub(crate) fn paint<T: fmt::Display>(self, role: Role, text: T) -> Painted<T> {
        // Select Graphic Rendition (ECMA-48): bold, and the colors of the terminal's palette.
        let code = match role {
            Role::Faint => "2",
            Role::Name => "1",
            Role::Request => "36",
            Role::Reply => "32",
            Role::Event => "33",
            Role::Error => "31",
            Role::Fd => "35",
        };
        Painted { code: self.0.then_some(code), text }
    }
}

/// A text and its color, if there is one.
pub(crate) struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else { return self.text.fmt(f) };
        write!(f, "\x1b[{code}m")?;
        self.text.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}
