//! The codecs of the two halves of a connection, which do not copy messages.
//!
//! A message has about 150 bytes. Each layer of the framing that passes it by value copies them.

use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, ReceiveError, ReceivedFds};
use bytes::{Bytes, BytesMut};

use crate::codec::MessageCodec;
use crate::error::codec_error::CodecError;
use crate::message::content::Message;

/// Decodes messages, each into [`decoded`](Self::decoded).
#[derive(Debug)]
pub(super) struct ReadCodec {
    pub(super) codec: MessageCodec,
    /// The decoded message, until the connection takes it.
    pub(super) decoded: Option<Message>,
}

impl ReadCodec {
    pub(super) fn new(codec: MessageCodec) -> ReadCodec {
        ReadCodec { codec, decoded: None }
    }
}

impl Decoder for ReadCodec {
    /// A message is in [`ReadCodec::decoded`].
    type Item = ();
    type Error = CodecError;

    #[inline]
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<()>, ReceiveError<CodecError>> {
        self.codec.decode_into(bytes, fds, &mut self.decoded)?;
        Ok(self.decoded.is_some().then_some(()))
    }
}

/// Encodes messages that their owner keeps if they are rejected.
#[derive(Debug)]
pub(super) struct WriteCodec(pub(super) MessageCodec);

impl Encoder<&mut Message> for WriteCodec {
    type Error = CodecError;

    #[inline]
    fn encode(&mut self, message: &&mut Message, bytes: &mut BytesMut) -> Result<(), CodecError> {
        self.0.encode(message, bytes)
    }

    #[inline]
    fn fds<'a>(&mut self, message: &'a mut &mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        self.0.fds(message)
    }

    #[inline]
    fn payload(&mut self, message: &&mut Message) -> Bytes {
        self.0.payload(message)
    }
}
