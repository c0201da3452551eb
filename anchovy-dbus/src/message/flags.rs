//! The flags of a message.

use std::fmt;

use bitflags::bitflags;

bitflags! {
    /// Flags of a message (D-Bus Specification, "Message Format").
    ///
    /// Bits that the specification does not define are kept and ignored.
    ///
    /// # Examples
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
        /// The peer must not reply.
        const NO_REPLY_EXPECTED = 1;
        /// The bus must not start an owner for the destination.
        const NO_AUTO_START = 2;
        /// The peer may ask the user to authorize the call, which can take long.
        const ALLOW_INTERACTIVE_AUTHORIZATION = 4;
        // Every other bit, so that no operation drops one.
        const _ = !0;
    }
}

impl Flags {
    /// No flags.
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
}
