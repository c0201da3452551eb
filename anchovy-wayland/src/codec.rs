//! The framing of messages: their ends in the byte stream, and their descriptors.

use std::borrow::BorrowMut;
use std::os::fd::OwnedFd;

use anchovy::codec::{
    Attribution, Decoder, Encoder, Placement, ReadPolicy, ReceiveError, ReceivedFds, Unclaimed,
    WritePolicy,
};
use bytes::{Bytes, BytesMut};

use crate::decode_position::DecodePosition;
use crate::limits::Limits;
use crate::signature_source::SignatureSource;
use crate::wire::body::Body;
use crate::wire::header::{HEADER_BYTES, Header, LONGEST_MESSAGE};
use crate::wire::message::Message;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// Decodes and encodes messages for [`anchovy::codec::Framed`].
#[derive(Debug)]
pub(crate) struct Codec<G> {
    pub(crate) source: G,
    limit: usize,
    /// The header of the message that is arriving, if the header is complete.
    arriving: Option<Header>,
    /// The last decoded message.
    pub(crate) last: Option<DecodePosition>,
    /// The message that was decoded, until the connection takes it. It is not the item of the decoder,
    /// because each layer between here and the connection would then copy it.
    pub(crate) decoded: Option<Message>,
}

impl<G> Codec<G> {
    pub(crate) fn new(source: G, limits: &Limits) -> Codec<G> {
        let limit = limits.max_message_bytes.clamp(HEADER_BYTES, LONGEST_MESSAGE);
        Codec { source, limit, arriving: None, last: None, decoded: None }
    }

    /// Converts the source of the number of descriptors.
    pub(crate) fn map<H>(self, map: impl FnOnce(G) -> H) -> Codec<H> {
        let Codec { source, limit, arriving, last, decoded } = self;
        Codec { source: map(source), limit, arriving, last, decoded }
    }
}

impl<G: SignatureSource> Decoder for Codec<G> {
    /// A message is in [`Codec::decoded`].
    type Item = ();
    type Error = WireError;

    #[inline]
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<()>, ReceiveError<WireError>> {
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

        let count = self.source.count(object, opcode);
        let arguments = Body::split_off(bytes, HEADER_BYTES..length);
        // Most messages have no descriptors. Without this branch, the list is written to memory and read
        // from there, which takes 3 ns of the 12 ns that decoding takes.
        self.decoded = Some(match count {
            0 => Message::received(object, opcode, arguments, Vec::new()),
            _ => Message::received(object, opcode, arguments, fds.take(length, count)?.into_vec()),
        });
        Ok(Some(()))
    }
}

/// Encodes a message, or a message that its owner keeps if it is rejected.
impl<G, M: BorrowMut<Message>> Encoder<M> for Codec<G> {
    type Error = WireError;

    #[inline]
    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), WireError> {
        let message = message.borrow();
        message.check_fds()?;
        let (length, limit) = (message.len(), self.limit);
        if length > limit {
            return Err(message.error(WireErrorKind::TooLong { length, limit }));
        }
        message.encode(bytes);
        Ok(())
    }

    #[inline]
    fn fds<'a>(&mut self, message: &'a mut M) -> Option<&'a mut Vec<OwnedFd>> {
        Some(message.borrow_mut().fds_mut())
    }

    #[inline]
    fn payload(&mut self, _: &M) -> Bytes {
        Bytes::new()
    }
}

/// Converts the limits into policies of [`anchovy::codec`].
pub(crate) fn policies(limits: &Limits) -> (ReadPolicy, WritePolicy) {
    let read = ReadPolicy {
        attribution: Attribution::Fifo,
        unclaimed: Unclaimed::Error,
        max_waiting_fds: limits.max_waiting_fds,
        // The length in a header has 16 bits.
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
