//! Access to the framing without a socket, for the fuzz targets in `fuzz/` of the repository. Compiled
//! with `--cfg fuzzing` only, and no part of the public API.

use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, ReceiveError, ReceivedFds};
use bytes::BytesMut;

use crate::codec::Codec;
use crate::limits::Limits;
use crate::signature_source::SignatureSource;
use crate::signatures::Signatures;
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// Returns the decoder and encoder of a connection.
pub fn codec(
    signatures: impl Signatures,
    limits: &Limits,
) -> impl Decoder<Item = Message, Error = WireError> + Encoder<Message, Error = WireError> {
    MessageCodec(Codec::new(signatures, limits))
}

/// The codec, with the decoded message as its item.
struct MessageCodec<G>(Codec<G>);

impl<G: SignatureSource> Decoder for MessageCodec<G> {
    type Item = Message;
    type Error = WireError;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<WireError>> {
        let decoded = self.0.decode(bytes, fds)?;
        Ok(decoded.and_then(|()| self.0.decoded.take()))
    }
}

impl<G> Encoder<Message> for MessageCodec<G> {
    type Error = WireError;

    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> Result<(), WireError> {
        self.0.encode(message, bytes)
    }

    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        self.0.fds(message)
    }
}
