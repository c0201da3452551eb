//! Where a message ends, and how many descriptors it takes off the queue.
//!
//! Descriptors are a queue beside the bytes, and a message does not say how many are its own: that
//! is in the protocol file, by interface, and which interface an object has is known to whoever has
//! followed its making. So receiving asks its user, message by message.

use std::os::fd::OwnedFd;

use anchovy::codec::{
    Attribution, Decoder, Encoder, Placement, ReadPolicy, ReceiveError, ReceivedFds, Unclaimed,
    WritePolicy,
};
use bytes::{Buf, Bytes, BytesMut};

use crate::decode_position::DecodePosition;
use crate::limits::Limits;
use crate::wire::body::Body;
use crate::wire::header::{HEADER_BYTES, Header, LONGEST_MESSAGE};
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// Knows how many descriptors a message has.
///
/// It is asked once for each message that is received, in order, and when all of the message's bytes
/// are there. A message can make the object that the next one is sent to, so messages are decoded
/// one at a time, when they are asked for: what has been learned from one is known for the next.
///
/// A wrong answer gives every later message the wrong descriptors. A count too high ends the
/// connection ([`MissingFds`](crate::ReceiveError::MissingFds)), one too low leaves descriptors that
/// the next message with some takes; [`fds`](mod@crate::fds) knows the counts of all published
/// protocols.
///
/// ```
/// use anchovy_wayland::{ObjectId, Signatures};
///
/// // A closure will do: here, object 5 is the only one with descriptors, in its first request.
/// let shm = ObjectId::new(5).expect("not 0");
/// let mut signatures = |object: ObjectId, opcode: u16| usize::from((object, opcode) == (shm, 0));
/// assert_eq!(signatures.fds(shm, 0), 1);
/// ```
pub trait Signatures {
    /// How many descriptors this request or event of this object has.
    ///
    /// For an object that is not known, 0 is the best guess, and the end of the connection the best
    /// answer; both are for the user, who gets the message next.
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize;
}

impl<F: FnMut(ObjectId, u16) -> usize> Signatures for F {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self(object, opcode)
    }
}

/// Messages out of bytes, and back, for [`anchovy::codec::Framed`].
#[derive(Clone, Debug)]
pub(crate) struct Codec<G> {
    pub(crate) signatures: G,
    limit: usize,
    /// The message that is arriving, once its header is there.
    arriving: Option<Header>,
    /// The message that was received last.
    pub(crate) last: Option<DecodePosition>,
}

impl<G> Codec<G> {
    pub(crate) fn new(signatures: G, limits: &Limits) -> Codec<G> {
        let limit = limits.max_message_bytes.clamp(HEADER_BYTES, LONGEST_MESSAGE);
        Codec { signatures, limit, arriving: None, last: None }
    }

    /// The same, with what comes of its source of counts.
    pub(crate) fn map<H>(self, map: impl FnOnce(G) -> H) -> Codec<H> {
        let Codec { signatures, limit, arriving, last } = self;
        Codec { signatures: map(signatures), limit, arriving, last }
    }
}

impl<G: Signatures> Decoder for Codec<G> {
    type Item = Message;
    type Error = WireError;

    #[inline]
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<WireError>> {
        let header = match self.arriving {
            Some(header) => header,
            None => match Header::parse(bytes, self.limit).map_err(ReceiveError::Codec)? {
                Some(header) => *self.arriving.insert(header),
                None => return Ok(None),
            },
        };
        let Header { object, opcode, length } = header;
        if bytes.len() < length {
            return Ok(None);
        }
        self.arriving = None;
        self.last = Some(DecodePosition { object: object.get(), opcode });

        let count = self.signatures.fds(object, opcode);
        let taken = fds.take(length, count)?.collect();
        bytes.advance(HEADER_BYTES);
        let arguments = Body::split_off(bytes, length - HEADER_BYTES);
        Ok(Some(Message::received(object, opcode, arguments, taken)))
    }
}

impl<G> Encoder<Message> for Codec<G> {
    type Error = WireError;

    #[inline]
    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> Result<(), WireError> {
        message.check_fds()?;
        let (length, limit) = (message.len(), self.limit);
        if length > limit {
            return Err(message.error(WireErrorKind::TooLong { length, limit }));
        }
        message.encode(bytes);
        Ok(())
    }

    #[inline]
    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(message.fds_mut())
    }

    #[inline]
    fn payload(&mut self, _: &Message) -> Bytes {
        Bytes::new()
    }
}

/// What [`anchovy::codec`] knows of limits, in its words.
pub(crate) fn policies(limits: &Limits) -> (ReadPolicy, WritePolicy) {
    let read = ReadPolicy {
        attribution: Attribution::Fifo,
        unclaimed: Unclaimed::Error,
        max_waiting_fds: limits.max_waiting_fds,
        // No message is longer than its header can tell.
        max_frame_bytes: 1 << 16,
        fd_timeout: limits.fd_timeout,
        frame_timeout: limits.message_timeout,
        ..ReadPolicy::default()
    };
    let placement =
        if limits.fds_with_their_message { Placement::FirstByte } else { Placement::Together };
    let write = WritePolicy {
        placement,
        max_buffered_bytes: limits.max_buffered_bytes,
        max_buffered_fds: limits.max_buffered_fds,
    };
    (read, write)
}
