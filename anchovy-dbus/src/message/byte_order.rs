//! The byte order of a message.

/// The byte order of the numbers in a message, both in the header and in the body.
///
/// Each message has its own byte order (D-Bus Specification, "Message Format"). A receiver accepts
/// both.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{ByteOrder, Message};
///
/// let call = Message::method_call("/", "Ping").byte_order(ByteOrder::Big).build()?;
/// assert_eq!(call.header().byte_order(), ByteOrder::Big);
/// # Ok::<(), anchovy_dbus::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least significant byte first; the first byte of the message is `l`.
    Little,
    /// The most significant byte first; the first byte of the message is `B`.
    Big,
}

impl ByteOrder {
    /// The byte order of this machine.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

    /// Returns the byte order for the first byte of a message.
    #[inline]
    pub(super) fn from_byte(byte: u8) -> Option<ByteOrder> {
        match byte {
            b'l' => Some(ByteOrder::Little),
            b'B' => Some(ByteOrder::Big),
            _ => None,
        }
    }

    /// Returns the first byte of a message.
    #[inline]
    pub(super) fn byte(self) -> u8 {
        match self {
            ByteOrder::Little => b'l',
            ByteOrder::Big => b'B',
        }
    }

    #[inline]
    pub(super) fn read(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn write(self, number: u32) -> [u8; 4] {
        match self {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_this_machine_is_native() {
        assert_eq!(ByteOrder::NATIVE.write(0x0102_0304), 0x0102_0304_u32.to_ne_bytes());
    }
}
