//! The id of an object.

use std::fmt;
use std::num::NonZeroU32;

/// The id of an object, which is never 0.
///
/// The client allocates ids from 2 (1 is the display), and the server from
/// [`FIRST_OF_SERVER`](Self::FIRST_OF_SERVER). Each allocates its smallest free id.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::ObjectId;
///
/// let registry = ObjectId::new(2).expect("not 0");
/// assert!(ObjectId::DISPLAY < registry && !registry.is_of_server());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(NonZeroU32);

impl ObjectId {
    /// The id of the display, which exists on both sides from the start.
    pub const DISPLAY: ObjectId = ObjectId(NonZeroU32::MIN);

    /// The lowest id of objects that the server creates (Wayland protocol, "Creating Objects").
    pub const FIRST_OF_SERVER: ObjectId = match NonZeroU32::new(0xff00_0000) {
        Some(id) => ObjectId(id),
        None => unreachable!(),
    };

    /// Returns the id with this number. Returns `None` for 0.
    pub const fn new(id: u32) -> Option<ObjectId> {
        match NonZeroU32::new(id) {
            Some(id) => Some(ObjectId(id)),
            None => None,
        }
    }

    /// Returns the number of the id.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns whether the server allocates this id.
    pub fn is_of_server(self) -> bool {
        self >= ObjectId::FIRST_OF_SERVER
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::testing::id;
    use super::*;

    #[test]
    fn the_display_and_the_first_server_object_have_their_ids() {
        assert_eq!(ObjectId::DISPLAY.get(), 1);
        assert_eq!(ObjectId::FIRST_OF_SERVER.get(), 0xff00_0000);
        assert_eq!(ObjectId::new(0), None);
        assert!(!id(0xfeff_ffff).is_of_server());
        assert!(id(0xff00_0000).is_of_server() && id(u32::MAX).is_of_server());
        assert_eq!((format!("{}", id(9)), format!("{:?}", id(9))), ("9".into(), "@9".into()));
        assert_eq!(format!("{:>3}", id(9)), "  9");
    }
}
