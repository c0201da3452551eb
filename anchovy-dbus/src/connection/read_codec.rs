//! The codec of the receiving half of a connection, which does not move messages.

use anchovy::codec::{Decoder, ReceiveError, ReceivedFds};
use bytes::BytesMut;

use crate::codec::MessageCodec;
use crate::error::codec_error::CodecError;
use crate::message::content::Message;

/// A decoder that stores the message until the receiving half takes it.
///
/// A message has about 150 bytes. If it were the item of the decoder, each layer of the framing would
/// copy them.
#[derive(Debug)]
pub(super) struct ReadCodec {
    pub(super) codec: MessageCodec,
    /// The message that was decoded.
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
        match self.codec.decode_into(&mut self.decoded, bytes, fds) {
            Ok(()) => Ok(self.decoded.is_some().then_some(())),
            Err(error) => {
                self.decoded = None;
                Err(error)
            }
        }
    }
}
