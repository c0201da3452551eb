//! How many descriptors a received message has.
//!
//! Descriptors are a queue beside the bytes, and a message does not say how many are its own. That is
//! in the protocol file, by interface and opcode. Only code that follows the creation of all objects
//! knows which interface an object has, so the caller supplies the counts, message by message.

use crate::wire::object_id::ObjectId;

/// A source of the number of descriptors that each received message has.
///
/// It is asked once for each received message, in order, after all bytes of the message have arrived.
/// A message can create the object that the next one is sent to, so messages are decoded one at a
/// time, when they are received: what the caller learned from one message is known for the next.
///
/// **A wrong count gives every later message the wrong descriptors.** A source that always answers 0
/// is wrong for any client with a keyboard: the keymap arrives as a descriptor, stays unclaimed, and is
/// handed out with the next message that has one. A count that is too high ends the connection
/// ([`MissingFds`](crate::ReceiveError::MissingFds)).
///
/// - A client needs no source: [`Connection::connect`](crate::Connection::connect) and
///   [`Connection::client`](crate::Connection::client) record the interface of each object that they
///   create ([`Objects`](crate::Objects)).
/// - Compositors and proxies implement this trait. [`fds`](mod@crate::fds) has the counts of all
///   published protocols.
/// - [`Connection::without_fds`](crate::Connection::without_fds) is for peers whose messages have no
///   descriptors at all.
///
/// ```
/// use anchovy_wayland::{ObjectId, Signatures};
///
/// // A closure is a source. Here, object 5 is the only one with descriptors, in its first request.
/// let shm = ObjectId::new(5).expect("not 0");
/// let mut signatures = |object: ObjectId, opcode: u16| usize::from((object, opcode) == (shm, 0));
/// assert_eq!(signatures.fds(shm, 0), 1);
/// ```
pub trait Signatures {
    /// Returns the number of descriptors of this request or event of this object.
    ///
    /// For an object that is not known, 0 is the best guess. The caller receives the message next and
    /// can end the connection.
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize;
}

impl<F: FnMut(ObjectId, u16) -> usize> Signatures for F {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self(object, opcode)
    }
}

/// A source for peers whose messages have no descriptors:
/// [`Connection::without_fds`](crate::Connection::without_fds).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFds;

impl Signatures for NoFds {
    #[inline]
    fn fds(&mut self, _: ObjectId, _: u16) -> usize {
        0
    }
}
