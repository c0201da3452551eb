//! The codec of messages, which gives each message exactly the descriptors that it declares.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use anchovy::codec::{Decoder, Encoder, ReceiveError, ReceivedFds};
use bytes::{Bytes, BytesMut};

use crate::error::codec_error::CodecError;
use crate::limits::Limits;
use crate::message::content::Message;
use crate::message::error::MessageError;
use crate::message::frame::Frame;

/// A decoder and encoder of [`Message`] for [`anchovy::codec::Framed`].
///
/// [`Connection`](crate::Connection) uses it. Use it directly for a connection without a handshake, or
/// with another policy for descriptors.
///
/// # Examples
///
/// ```
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use anchovy_dbus::{Limits, Message, MessageCodec};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let mut near = Framed::new(near, MessageCodec::new(Limits::client()));
/// let mut far = Framed::new(far, MessageCodec::new(Limits::client()));
///
/// let mut signal = Message::signal("/", "com.example.Clock", "Tick").build()?;
/// signal.set_serial(std::num::NonZeroU32::MIN);
/// near.send(signal).await?;
/// assert_eq!(far.next().await.expect("a message")?.header().member(), Some("Tick"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MessageCodec {
    /// Shared by the codecs of both halves, and of other connections of the same client or server.
    limits: Arc<Limits>,
    unix_fds: bool,
    /// The message that is arriving, once its length is known.
    arriving: Option<Frame>,
}

impl MessageCodec {
    /// Creates a codec with these limits, for a connection that passes descriptors.
    pub fn new(limits: Limits) -> MessageCodec {
        MessageCodec::with_shared(Arc::new(limits))
    }

    /// Creates a codec with limits that other connections have too.
    pub(crate) fn with_shared(limits: Arc<Limits>) -> MessageCodec {
        MessageCodec { limits, unix_fds: true, arriving: None }
    }

    /// Refuses messages with descriptors, in both directions.
    #[must_use]
    pub fn without_fds(mut self) -> MessageCodec {
        self.unix_fds = false;
        self
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Stores the next message in `decoded`, which is `None`, if the whole message has arrived.
    ///
    /// After an error, a message in `decoded` is not valid.
    #[inline]
    pub(crate) fn decode_into(
        &mut self,
        decoded: &mut Option<Message>,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<(), ReceiveError<CodecError>> {
        let frame = match self.arriving.take() {
            Some(frame) => frame,
            None => match Frame::read(bytes, &self.limits).map_err(invalid)? {
                Some(frame) => frame,
                None => return Ok(()),
            },
        };
        let length = frame.len();
        if bytes.len() < length {
            self.arriving = Some(frame);
            return Ok(());
        }

        let whole = bytes.split_to(length).freeze();
        let message = decoded.insert(Message::unparsed(whole, Vec::new()));
        message.parse_fields(&frame).map_err(invalid)?;
        let declared = message.header().unix_fds() as usize;
        if declared == 0 {
            return Ok(());
        }
        let limit = self.limits.max_received_fds;
        if !self.unix_fds {
            return Err(ReceiveError::Codec(CodecError::FdsNotAgreed { count: declared }));
        } else if declared > limit {
            return Err(ReceiveError::Codec(CodecError::TooManyFds { count: declared, limit }));
        }
        match fds.truncation(length) {
            Some(cause) => message.attach(Vec::new(), Some(cause)),
            None => {
                message.attach(fds.take(length, declared)?.into_vec(), None);
                message.set_charge(fds.take_charge(declared));
            }
        }
        Ok(())
    }

    /// Returns an error if this message must not be sent.
    pub(crate) fn check(&self, message: &Message) -> Result<(), CodecError> {
        message.check_fds()?;
        self.check_limits(message)
    }

    /// Returns an error if a message with all its descriptors must not be sent.
    #[inline]
    fn check_limits(&self, message: &Message) -> Result<(), CodecError> {
        let count = message.fds().len();
        if count > 0 && !self.unix_fds {
            return Err(CodecError::FdsNotAgreed { count });
        }
        let limit = self.limits.max_sent_fds;
        if count > limit {
            return Err(CodecError::TooManyFds { count, limit });
        }
        let (length, limit) = (message.len(), self.limits.max_message_bytes);
        if length > limit {
            return Err(MessageError::TooLong { length: length as u64, limit }.into());
        }
        Ok(())
    }
}

impl Decoder for MessageCodec {
    type Item = Message;
    type Error = CodecError;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<CodecError>> {
        let mut decoded = None;
        self.decode_into(&mut decoded, bytes, fds)?;
        Ok(decoded)
    }
}

impl Encoder<Message> for MessageCodec {
    type Error = CodecError;

    #[inline]
    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> Result<(), CodecError> {
        self.check_limits(message)?;
        message.encode(bytes, is_short(message))?;
        Ok(())
    }

    #[inline]
    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(message.fds_mut())
    }

    #[inline]
    fn payload(&mut self, message: &Message) -> Bytes {
        if is_short(message) { Bytes::new() } else { message.body().clone() }
    }
}

#[cold]
fn invalid(error: MessageError) -> ReceiveError<CodecError> {
    ReceiveError::Codec(CodecError::Message(error))
}

/// Sharing the bytes of a built body takes an allocation. Copying a few bytes is faster.
#[inline]
fn is_short(message: &Message) -> bool {
    message.body_bytes().len() < 4 << 10
}
