//! The type of a message.

use std::fmt;

/// The type of a message (D-Bus Specification, "Message Format").
///
/// # Examples
///
/// ```
/// use anchovy_dbus::MessageType;
///
/// assert_eq!(MessageType::from_code(4), MessageType::Signal);
/// assert_eq!(MessageType::from_code(77), MessageType::Unknown(77));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A method call, with a path and a member.
    MethodCall,
    /// The reply to a call, with the serial of the call.
    MethodReturn,
    /// The error reply to a call, with an error name and the serial of the call.
    Error,
    /// A signal, with a path, an interface and a member.
    Signal,
    /// A type that the specification does not define. Applications ignore such messages, and proxies can
    /// forward them.
    Unknown(u8),
}

impl MessageType {
    /// Returns the type with this code. Codes other than 1 to 4 are unknown, and no message has 0.
    #[inline]
    pub fn from_code(code: u8) -> MessageType {
        match code {
            1 => MessageType::MethodCall,
            2 => MessageType::MethodReturn,
            3 => MessageType::Error,
            4 => MessageType::Signal,
            unknown => MessageType::Unknown(unknown),
        }
    }

    /// Returns the code of the type, which is the second byte of a message.
    #[inline]
    pub fn code(self) -> u8 {
        match self {
            MessageType::MethodCall => 1,
            MessageType::MethodReturn => 2,
            MessageType::Error => 3,
            MessageType::Signal => 4,
            MessageType::Unknown(code) => code,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageType::MethodCall => f.write_str("a method call"),
            MessageType::MethodReturn => f.write_str("a method return"),
            MessageType::Error => f.write_str("an error"),
            MessageType::Signal => f.write_str("a signal"),
            MessageType::Unknown(code) => write!(f, "a message of the unknown type {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_code_of_its_type() {
        for code in 0..=u8::MAX {
            assert_eq!(MessageType::from_code(code).code(), code);
        }
    }
}
