//! What the first three bytes of a message say: the order of its bytes, what it is, and what its
//! sender asks for.

use std::fmt;

use bitflags::bitflags;

/// The order of the bytes in the numbers of a message, header and body alike.
///
/// Each message has its own (D-Bus Specification, "Message Format"), and a receiver takes either.
///
/// ```
/// use anchovy_dbus::{ByteOrder, Message};
///
/// let call = Message::method_call("/", "Ping").byte_order(ByteOrder::Big).build()?;
/// assert_eq!(call.header().byte_order(), ByteOrder::Big);
/// # Ok::<(), anchovy_dbus::Refused>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least significant byte first; the first byte of the message is `l`.
    Little,
    /// The most significant byte first; the first byte of the message is `B`.
    Big,
}

impl ByteOrder {
    /// The order of this machine.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

    /// What the first byte of a message says.
    pub(super) fn from_byte(byte: u8) -> Option<ByteOrder> {
        match byte {
            b'l' => Some(ByteOrder::Little),
            b'B' => Some(ByteOrder::Big),
            _ => None,
        }
    }

    /// The first byte of a message.
    pub(super) fn byte(self) -> u8 {
        match self {
            ByteOrder::Little => b'l',
            ByteOrder::Big => b'B',
        }
    }

    pub(super) fn read(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn write(self, number: u32) -> [u8; 4] {
        match self {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        }
    }
}

/// What a message is (D-Bus Specification, "Message Format").
///
/// ```
/// use anchovy_dbus::MessageType;
///
/// assert_eq!(MessageType::from_code(4), MessageType::Signal);
/// assert_eq!(MessageType::from_code(77), MessageType::Unknown(77));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A call of a method; it has a path and a member.
    MethodCall,
    /// The answer to a call; it has the serial of the call.
    MethodReturn,
    /// The answer to a call that failed; it has a name and the serial of the call.
    Error,
    /// What an object has to tell; it has a path, an interface and a member.
    Signal,
    /// A type that a later specification may define. Applications ignore such messages; proxies may
    /// pass them on.
    Unknown(u8),
}

impl MessageType {
    /// The type with this code: 1 to 4, or one that is unknown.
    ///
    /// 0 is not valid: no message has it.
    pub fn from_code(code: u8) -> MessageType {
        match code {
            1 => MessageType::MethodCall,
            2 => MessageType::MethodReturn,
            3 => MessageType::Error,
            4 => MessageType::Signal,
            unknown => MessageType::Unknown(unknown),
        }
    }

    /// The code of the type: the second byte of a message.
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

bitflags! {
    /// Flags of a message (D-Bus Specification, "Message Format").
    ///
    /// Bits that the specification does not define are kept, and mean nothing.
    ///
    /// ```
    /// use anchovy_dbus::Flags;
    ///
    /// let flags = Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START;
    /// assert!(flags.contains(Flags::NO_AUTO_START));
    /// assert!(!flags.contains(Flags::ALLOW_INTERACTIVE_AUTHORIZATION));
    /// assert_eq!(flags.bits(), 3);
    /// ```
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u8 {
        /// The caller expects no reply.
        const NO_REPLY_EXPECTED = 1;
        /// The bus must not start an owner for the destination.
        const NO_AUTO_START = 2;
        /// The caller waits while the user is asked to authorize the call.
        const ALLOW_INTERACTIVE_AUTHORIZATION = 4;
        // Every other bit, so that no operation drops one.
        const _ = !0;
    }
}

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags::empty();
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#04x})", self.bits())
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

    #[test]
    fn flags_have_the_bits_of_the_specification() {
        assert_eq!(Flags::NO_REPLY_EXPECTED.bits(), 1);
        assert_eq!(Flags::NO_AUTO_START.bits(), 2);
        assert_eq!(Flags::ALLOW_INTERACTIVE_AUTHORIZATION.bits(), 4);
    }

    #[test]
    fn flags_contain_others_only_if_they_contain_all_of_them() {
        let both = Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START;
        assert!(both.contains(both));
        assert!(both.contains(Flags::NONE));
        assert!(!Flags::NO_AUTO_START.contains(both));
    }

    #[test]
    fn flags_can_be_added() {
        let mut flags = Flags::from_bits_retain(0x80);
        flags |= Flags::NO_AUTO_START;
        assert_eq!(flags.bits(), 0x82);
        assert_eq!(format!("{flags:?}"), "Flags(0x82)");
    }

    #[test]
    fn the_order_of_this_machine_is_native() {
        assert_eq!(ByteOrder::NATIVE.write(0x0102_0304), 0x0102_0304_u32.to_ne_bytes());
    }
}
