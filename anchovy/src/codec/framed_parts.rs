//! The parts of a framed stream.

use bytes::BytesMut;

use super::fd_set::FdSet;
use super::policy::{ReadPolicy, WritePolicy};
use super::read_progress::ReadProgress;
use crate::stream::anchovy_stream::AnchovyStream;

/// The parts of a framed stream, with all bytes and descriptors that wait.
///
/// A program that has read past the end of a handshake passes the rest to the codec:
///
/// ```
/// # use anchovy::codec::{Decoder, FdSet, Framed, FramedParts, ReceivedFds};
/// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// # use bytes::BytesMut;
/// # async fn after<C: Decoder>(mut stream: AnchovyStream<DBUS_SCM_RIGHTS>, codec: C) -> std::io::Result<Framed<DBUS_SCM_RIGHTS, C>> {
/// let mut buf = [0; 1024];
/// let received = stream.recv(&mut buf).await?;
/// let handshake = 48; // the number of these bytes that belong to the handshake
///
/// let mut parts = FramedParts::new(stream, codec);
/// parts.read_buffer.extend_from_slice(&buf[handshake..received.bytes]);
/// let fds = parts.stream.read_queue_mut().drain(..).collect();
/// parts.read_sets.push(FdSet::new(0..received.bytes - handshake, fds));
/// # Ok(Framed::from_parts(parts))
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct FramedParts<const S: usize, C> {
    /// The stream. Its queues do not contain the descriptors of frames.
    pub stream: AnchovyStream<S>,
    /// The codec.
    pub codec: C,
    /// Bytes that have arrived and are not decoded.
    pub read_buffer: BytesMut,
    /// The descriptor sets that arrived with the bytes of `read_buffer`, in order. Ranges count from the
    /// start of that buffer.
    pub read_sets: Vec<FdSet>,
    /// Unsent bytes.
    pub write_buffer: BytesMut,
    /// The unsent descriptors, in order. Each set has the descriptors of one frame and the range of this
    /// frame in `write_buffer`.
    pub write_sets: Vec<FdSet>,
    /// The policy for received frames.
    pub read_policy: ReadPolicy,
    /// The policy for sent frames.
    pub write_policy: WritePolicy,
    pub(super) read_progress: ReadProgress,
}

impl<const S: usize, C> FramedParts<S, C> {
    /// Creates the parts of a stream and a codec, with nothing read, nothing to be sent, and
    /// default policies.
    pub fn new(stream: AnchovyStream<S>, codec: C) -> Self {
        FramedParts {
            stream,
            codec,
            read_buffer: BytesMut::new(),
            read_sets: Vec::new(),
            write_buffer: BytesMut::new(),
            write_sets: Vec::new(),
            read_policy: ReadPolicy::default(),
            write_policy: WritePolicy::default(),
            read_progress: ReadProgress::default(),
        }
    }
}
