//! The handling of received messages by a connection.
//!
//! A compositor, a proxy or a test tool supplies its own [`Signatures`] and handles every message itself.
//! A client uses [`Objects`](crate::Objects), which knows the interfaces of its objects and handles the
//! events of `wl_display`. One trait covers both, so that there is one type of connection.

use std::fmt;

use crate::display_error::DisplayError;
use crate::signatures::Signatures;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireError;

/// A type that a [`Connection`](crate::Connection) uses to receive messages: an implementation of
/// [`Signatures`], or the [`Objects`](crate::Objects) of a client.
///
/// The trait is sealed. Implement [`Signatures`] instead.
pub trait SignatureSource: sealed::Sealed {
    /// The type with which the write half allocates ids: [`Objects`](crate::Objects) on a client, and `()`
    /// on other connections, which allocate no ids.
    type Ids: fmt::Debug + Send + Sync + Unpin;

    /// Whether this is the source of a client, which handles the events of `wl_display`.
    #[doc(hidden)]
    const IS_CLIENT: bool;

    /// Returns the number of descriptors of a message that has arrived.
    #[doc(hidden)]
    fn count(&mut self, object: ObjectId, opcode: u16) -> usize;

    /// Classifies a message that has arrived, and handles it if it is not for the caller.
    #[doc(hidden)]
    fn admit(&mut self, message: &Message, origin: Origin) -> Result<Admission, WireError>;
}

/// The source of a message.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The socket, while no message is kept.
    Socket,
    /// The socket, while earlier messages are kept.
    SocketAfterKept,
    /// The kept messages.
    Kept,
}

/// The class of a message.
#[doc(hidden)]
#[derive(Debug)]
pub enum Admission {
    /// A message for the caller.
    Event,
    /// A message of a callback or registry that the connection itself has created.
    Internal,
    /// A message that was handled.
    Handled,
    /// The error that the compositor sends before it closes the connection.
    Display(DisplayError),
}

impl<S: Signatures> SignatureSource for S {
    type Ids = ();

    const IS_CLIENT: bool = false;

    #[inline]
    fn count(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.fds(object, opcode)
    }

    #[inline]
    fn admit(&mut self, _: &Message, _: Origin) -> Result<Admission, WireError> {
        Ok(Admission::Event)
    }
}

pub(crate) mod sealed {
    use crate::signatures::Signatures;

    pub trait Sealed {}

    impl<S: Signatures> Sealed for S {}
}
