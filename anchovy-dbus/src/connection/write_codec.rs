//! The codec of the sending half of a connection, which does not move messages.

use std::os::fd::OwnedFd;

use anchovy::codec::Encoder;
use bytes::{Bytes, BytesMut};

use crate::codec::MessageCodec;
use crate::error::codec_error::CodecError;
use crate::message::content::Message;

/// An encoder of messages that stay with the sending half, which returns a refused one to the caller.
///
/// A message has about 150 bytes. Each layer of the framing that takes it by value would copy them.
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
