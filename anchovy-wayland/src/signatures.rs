//! The number of descriptors of a received message.
//!
//! The bytes of a message do not contain this number. The protocol file specifies it for each interface
//! and opcode. Only code that follows the creation of all objects knows the interface of an object, so
//! the caller supplies the number for each message.

use crate::wire::object_id::ObjectId;

/// A source of the number of descriptors that each received message has.
///
/// A connection calls [`fds`](Self::fds) once for each message, in order: after all bytes of the message
/// have arrived, and immediately before the connection returns the message to the caller. So the
/// implementation can use what the caller has learned from earlier messages, such as the objects that they
/// create.
///
/// **A wrong number assigns wrong descriptors to all later messages.** For example, if an implementation
/// returns 0 for `wl_keyboard.keymap`, the next message with a descriptor gets the descriptor of the keymap.
/// If a number is too high, the message takes descriptors of later messages. If these descriptors have not
/// arrived yet, receiving ends with [`MissingFds`](crate::ReceiveError::MissingFds).
///
/// - Clients do not implement this trait: [`Connection::connect`](crate::Connection::connect) and
///   [`Connection::client`](crate::Connection::client) record the interface of each object that they
///   create ([`Objects`](crate::Objects)).
/// - Compositors and proxies implement this trait. The module [`fds`](mod@crate::fds) has the numbers of
///   the protocols that [`fds::ALL`](crate::fds::ALL) lists.
/// - [`Connection::without_fds`](crate::Connection::without_fds) is for peers whose messages have no
///   descriptors.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{ObjectId, Signatures};
///
/// // Closures implement the trait. Here, only request 0 of object 5 has a descriptor.
/// let shm = ObjectId::new(5).expect("not 0");
/// let mut signatures = |object: ObjectId, opcode: u16| usize::from((object, opcode) == (shm, 0));
/// assert_eq!(signatures.fds(shm, 0), 1);
/// ```
pub trait Signatures {
    /// Returns the number of descriptors of the request or event `opcode` of `object`.
    ///
    /// Return 0 for an unknown object. The caller receives the message next and can close the connection.
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize;
}

impl<F: FnMut(ObjectId, u16) -> usize> Signatures for F {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self(object, opcode)
    }
}

/// The [`Signatures`] of peers whose messages have no descriptors; see
/// [`Connection::without_fds`](crate::Connection::without_fds).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFds;

impl Signatures for NoFds {
    #[inline]
    fn fds(&mut self, _: ObjectId, _: u16) -> usize {
        0
    }
}
