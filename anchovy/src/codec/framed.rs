//! Streams of items: whole, and in halves.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::time::Instant;

use super::attribution::{FdSet, Inbound};
use super::plan::{Outbound, RefusedFrame};
use super::policy::{ReadPolicy, WritePolicy};
use super::receive_error::ReceiveError;
use super::send_error::{SendError, SendErrorKind};
use super::state::{Phase, ReadState, WriteState};
use super::traits::{Decoder, Encoder};
use crate::error::reunite_error::ReuniteError;
use crate::error::transfer_error::TransferError;
use crate::split::{OwnedReadHalf, OwnedWriteHalf};
use crate::stream::AnchovyStream;

/// A [`Stream`] and [`Sink`] of items with their descriptors: the `Framed` of tokio-util.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::{SinkExt, StreamExt};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (mut near, mut far) = (Framed::new(near, Lines), Framed::new(far, Lines));
///
/// let file = std::fs::File::open("/dev/null")?;
/// near.feed(("nothing".to_owned(), vec![])).await?;
/// near.send(("a file".to_owned(), vec![file.into()])).await?;
///
/// let (line, fds) = far.next().await.expect("an item")?;
/// assert_eq!((&line[..], fds.len()), ("nothing", 0));
/// let (line, fds) = far.next().await.expect("an item")?;
/// assert_eq!((&line[..], fds.len()), ("a file", 1));
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Both sides are poll-based and keep their state, so `next` loses nothing when it is dropped, and
/// neither does `flush`. `send` and `feed` of futures-util own their item until they have handed it
/// over, so a dropped one that had to wait for room drops its item.
#[derive(Debug)]
pub struct Framed<const S: usize, C> {
    stream: AnchovyStream<S>,
    codec: C,
    read: ReadState,
    write: WriteState,
}

/// The [`Stream`] of items that [`Framed::into_split`] makes.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::{SinkExt, StreamExt};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (mut read, _write) = Framed::new(near, Lines).into_split();
/// let reader = tokio::spawn(async move {
///     while let Some(line) = read.next().await {
///         println!("{}", line?.0);
///     }
///     io::Result::Ok(read)
/// });
///
/// let mut far = Framed::new(far, Lines);
/// far.send(("for the other task".to_owned(), vec![])).await?;
/// drop(far);
/// reader.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FramedRead<const S: usize, C> {
    half: OwnedReadHalf<S>,
    codec: C,
    read: ReadState,
}

/// The [`Sink`] of items that [`Framed::into_split`] makes.
///
/// Dropping it closes what has not left and shuts the write side down.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::{SinkExt, StreamExt};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let (read, mut write) = Framed::new(near, Lines).into_split();
/// let writer = tokio::spawn(async move {
///     write.send(("from the other task".to_owned(), vec![])).await.map(|()| write)
/// });
///
/// let mut far = Framed::new(far, Lines);
/// assert_eq!(far.next().await.expect("a line")?.0, "from the other task");
/// let write = writer.await?.expect("it was sent");
/// let near = read.reunite(write).expect("they are of one stream");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FramedWrite<const S: usize, C> {
    half: OwnedWriteHalf<S>,
    codec: C,
    write: WriteState,
}

/// A framed stream taken apart; nothing of it is lost.
///
/// What a handshake has read too far goes in the same way:
///
/// ```
/// # use anchovy::codec::{Decoder, FdSet, Framed, FramedParts, ReceivedFds};
/// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// # use bytes::BytesMut;
/// # async fn after<C: Decoder>(mut stream: AnchovyStream<DBUS_SCM_RIGHTS>, codec: C) -> std::io::Result<Framed<DBUS_SCM_RIGHTS, C>> {
/// let mut buf = [0; 1024];
/// let received = stream.recv_with_fds(&mut buf).await?;
/// let handshake = 48; // bytes that were the handshake's, of all that came
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
    /// The stream. Its queues are not those of the items.
    pub stream: AnchovyStream<S>,
    /// The codec.
    pub codec: C,
    /// Bytes that have arrived and are not decoded.
    pub read_buffer: BytesMut,
    /// The descriptors that came with them, in order; ranges count from the start of the buffer.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not left.
    pub write_buffer: BytesMut,
    /// The descriptors that leave with them, in order, with the ranges of their items.
    pub write_sets: Vec<FdSet>,
    /// How items are received.
    pub read_policy: ReadPolicy,
    /// How items are sent.
    pub write_policy: WritePolicy,
    phase: Phase,
}

impl<const S: usize, C> FramedParts<S, C> {
    /// A stream and a codec, nothing read and nothing to be sent, with default policies.
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
            phase: Phase::Open,
        }
    }
}

impl<const S: usize, C> Framed<S, C> {
    /// Items of this codec, with default policies.
    ///
    /// Descriptors that are in the queues of the stream already belong to no item: take them out,
    /// or hand them over with [`from_parts`](Self::from_parts). While there are any in its write
    /// queue, nothing can be sent ([`SendErrorKind::WriteQueueNotEmpty`]).
    pub fn new(stream: AnchovyStream<S>, codec: C) -> Self {
        Framed::from_parts(FramedParts::new(stream, codec))
    }

    /// Items of this codec, as its protocol wants them received and sent.
    pub fn with_policies(
        stream: AnchovyStream<S>,
        codec: C,
        read_policy: ReadPolicy,
        write_policy: WritePolicy,
    ) -> Self {
        let parts = FramedParts::new(stream, codec);
        Framed::from_parts(FramedParts { read_policy, write_policy, ..parts })
    }

    /// Puts a framed stream together, with what was read and what is to be sent.
    pub fn from_parts(parts: FramedParts<S, C>) -> Self {
        let now = parts.read_policy.fd_timeout.map(|_| Instant::now());
        let inbound = Inbound::from_parts(parts.read_buffer, parts.read_sets, now);
        let outbound = Outbound::from_parts(parts.write_buffer, parts.write_sets);
        Framed {
            stream: parts.stream,
            codec: parts.codec,
            read: ReadState::new(inbound, parts.read_policy, parts.phase),
            write: WriteState { outbound, policy: parts.write_policy },
        }
    }

    /// Takes the framed stream apart, losing nothing.
    ///
    /// A stream of items that has ended stays so.
    pub fn into_parts(self) -> FramedParts<S, C> {
        let (read_buffer, read_sets) = self.read.inbound.into_parts();
        let (write_buffer, write_sets) = self.write.outbound.into_parts();
        FramedParts {
            stream: self.stream,
            codec: self.codec,
            read_buffer,
            read_sets,
            write_buffer,
            write_sets,
            read_policy: self.read.policy,
            write_policy: self.write.policy,
            phase: self.read.phase,
        }
    }

    /// Two halves that can be in two tasks, with a codec each.
    pub fn into_split(self) -> (FramedRead<S, C>, FramedWrite<S, C>)
    where
        C: Clone,
    {
        let Framed { stream, codec, read, write } = self;
        let (read_half, write_half) = stream.into_split();
        let write = FramedWrite { half: write_half, codec: codec.clone(), write };
        (FramedRead { half: read_half, codec, read }, write)
    }

    /// The stream itself, for limits and credentials.
    ///
    /// Its queues are not those of the items.
    pub fn get_ref(&self) -> &AnchovyStream<S> {
        &self.stream
    }

    /// The stream itself, for limits and credentials. What is read from it or written to it by
    /// hand is missing from the items.
    pub fn get_mut(&mut self) -> &mut AnchovyStream<S> {
        &mut self.stream
    }
}

impl<const S: usize, C> FramedRead<S, C> {
    /// The two halves of one framed stream make it whole again, with the codec of this one.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one stream.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite<D>(
        self,
        write: FramedWrite<S, D>,
    ) -> Result<Framed<S, C>, ReuniteError<FramedRead<S, C>, FramedWrite<S, D>>> {
        match self.half.reunite(write.half) {
            Ok(stream) => {
                let (codec, read, write) = (self.codec, self.read, write.write);
                Ok(Framed { stream, codec, read, write })
            }
            Err(ReuniteError(read_half, write_half)) => Err(ReuniteError(
                FramedRead { half: read_half, ..self },
                FramedWrite { half: write_half, ..write },
            )),
        }
    }

    /// The read half itself.
    pub fn get_ref(&self) -> &OwnedReadHalf<S> {
        &self.half
    }

    /// The read half itself. What is read from it by hand is missing from the items.
    pub fn get_mut(&mut self) -> &mut OwnedReadHalf<S> {
        &mut self.half
    }
}

impl<const S: usize, C> FramedWrite<S, C> {
    /// The write half itself.
    pub fn get_ref(&self) -> &OwnedWriteHalf<S> {
        &self.half
    }

    /// The write half itself. What is written to it by hand is among the items.
    pub fn get_mut(&mut self) -> &mut OwnedWriteHalf<S> {
        &mut self.half
    }
}

/// What a stream of items can do.
macro_rules! read_items {
    ($type:ident, $side:ident $(, $other:ident)*) => {
        impl<const S: usize, C> $type<S, C> {
            /// How items are received.
            pub fn read_policy(&self) -> &ReadPolicy {
                &self.read.policy
            }

            /// Bytes that have arrived and are not decoded.
            pub fn read_buffer(&self) -> &BytesMut {
                &self.read.inbound.bytes
            }

            /// Descriptors that have arrived and wait for their items.
            pub fn waiting_fds(&self) -> usize {
                self.read.inbound.waiting()
            }

            /// Descriptors that nothing claimed, and that were closed, with
            /// [`Unclaimed::Close`](super::Unclaimed::Close).
            pub fn unclaimed_fds(&self) -> u64 {
                self.read.inbound.closed()
            }

            /// The next item, if it has arrived already; nothing is read.
            ///
            /// `None` says nothing of what a read would bring, or of an end of the stream of items.
            ///
            /// # Errors
            ///
            /// As those of the stream of items, which has ended then.
            pub fn next_buffered(&mut self) -> Option<Result<C::Item, ReceiveError<C::Error>>>
            where
                C: Decoder,
            {
                self.read.next_buffered(&mut self.codec)
            }

            /// Polls the stream of items without reading, for whoever has no room for what a read
            /// would bring: what has arrived is decoded, and the
            /// [timeout](ReadPolicy::fd_timeout) is kept. A later poll of the stream itself reads on.
            ///
            /// # Errors
            ///
            /// As those of the stream of items, which has ended then.
            pub fn poll_paused(
                &mut self,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Result<C::Item, ReceiveError<C::Error>>>>
            where
                C: Decoder,
            {
                self.read.poll_paused(&mut self.codec, cx)
            }

            /// The codec.
            pub fn codec(&self) -> &C {
                &self.codec
            }

            /// The same with another codec, for a type that the two halves need not share.
            pub fn map_codec<D>(self, map: impl FnOnce(C) -> D) -> $type<S, D> {
                let $type { $side, codec, mut read $(, $other)* } = self;
                // Another codec may make an item of what the first could not.
                read.fresh = true;
                $type { $side, codec: map(codec), read $(, $other)* }
            }

            /// The codec.
            pub fn codec_mut(&mut self) -> &mut C {
                // In another mode, it may make an item of what it could not before.
                self.read.fresh = true;
                &mut self.codec
            }
        }

        impl<const S: usize, C: Decoder + Unpin> Stream for $type<S, C> {
            type Item = Result<C::Item, ReceiveError<C::Error>>;

            #[inline]
            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let this = self.get_mut();
                this.read.poll_item(&mut this.codec, this.$side.reading(), cx)
            }
        }
    };
}

/// What a sink of items can do.
macro_rules! write_items {
    ($type:ident, $side:ident) => {
        impl<const S: usize, C> $type<S, C> {
            /// How items are sent.
            pub fn write_policy(&self) -> &WritePolicy {
                &self.write.policy
            }

            /// Bytes of items that have not left.
            pub fn unsent_bytes(&self) -> usize {
                self.write.outbound.len()
            }

            /// Descriptors of items that have not left.
            pub fn unsent_fds(&self) -> usize {
                self.write.outbound.unsent_fds()
            }

            /// Takes back the item that is next to leave, with its descriptors, if none of its
            /// bytes has left and it has descriptors to take back; see [`RefusedFrame`].
            ///
            /// For when a flush failed because the kernel refused to carry the descriptors
            /// ([`FdsRefusedByPeer`](SendErrorKind::FdsRefusedByPeer),
            /// [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight)): the next flush goes on with
            /// what is behind it. One that is not taken back is tried again by the next flush.
            pub fn take_refused(&mut self) -> Option<RefusedFrame> {
                self.write.outbound.take_back()
            }
        }

        impl<const S: usize, C: Encoder<I> + Unpin, I> Sink<I> for $type<S, C> {
            type Error = SendError<I, SendErrorKind<C::Error>>;

            #[inline]
            fn poll_ready(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), Self::Error>> {
                let this = self.get_mut();
                this.write.poll_ready(this.$side.writing(), cx).map_err(without_item)
            }

            #[inline]
            fn start_send(self: Pin<&mut Self>, item: I) -> Result<(), Self::Error> {
                let this = self.get_mut();
                let (_, sender) = this.$side.writing();
                this.write.start_send(&mut this.codec, item, sender)
            }

            fn poll_flush(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), Self::Error>> {
                let this = self.get_mut();
                this.write.poll_flush(this.$side.writing(), cx).map_err(without_item)
            }

            /// Flushes, and shuts the write side down.
            fn poll_close(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), Self::Error>> {
                let this = self.get_mut();
                this.write.poll_close(this.$side.writing(), cx).map_err(without_item)
            }
        }
    };
}

read_items!(Framed, stream, write);
write_items!(Framed, stream);
read_items!(FramedRead, half);
write_items!(FramedWrite, half);

fn without_item<I, E>(error: TransferError) -> SendError<I, SendErrorKind<E>> {
    SendError { unsent: None, kind: error.into() }
}
