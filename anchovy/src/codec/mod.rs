//! Frames, each with its own descriptors.
//!
//! A protocol divides a stream into frames, some of which have descriptors. This module has the shapes of
//! tokio-util's codec for such protocols: [`Decoder`], [`Encoder`] and [`Framed`]. Descriptors stay with
//! their frame. With `tokio_util::codec::Framed` they do not: it joins several frames into one write, and
//! the descriptors of all of them are sent with the first frame.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> io::Result<()> {
//! use anchovy::UnixStream;
//! use anchovy::codec::Framed;
//!
//! // A codec of lines with descriptors.
//! let (near, far) = UnixStream::pair()?;
//! let (mut near, mut far) = (Framed::new(near, Lines), Framed::new(far, Lines));
//!
//! let null = std::fs::File::open("/dev/null")?;
//! near.feed(("nothing".to_owned(), vec![])).await?;
//! near.send(("a file".to_owned(), vec![null.into()])).await?;
//!
//! while let Some(frame) = far.next().await {
//!     let (line, fds) = frame?;
//!     println!("{line} has {} descriptors", fds.len());
//!     # if line == "a file" { break }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | send a frame now | [`Framed::send`] |
//! | send many frames with few calls | [`Framed::feed`], then [`Framed::flush`] |
//! | send frames without descriptors | an [`Encoder`] with `encode` alone |
//! | use a codec that was written for tokio-util | [`WithFds::framed`] |
//! | send descriptors that the program keeps | [`Encoder::borrowed_fds`] |
//! | receive frames | [`Framed::next`] |
//! | answer a frame that does not parse | a [`Decoder`] whose item is a `Result`, and [`ReceivedFds::discard`] |
//! | send and receive in two tasks | [`Framed::into_split`], [`Framed::into_split_with`] |
//! | bound what a peer makes this process hold | [`ReadPolicy`], [`WritePolicy`] |
//! | take over from or hand over to other code | [`Framed::from_parts`], [`Framed::into_parts`] |
//! | use the combinators of futures-util | the `Stream` and `Sink` of [`Framed`], [`FramedRead`], [`FramedWrite`] |
//!
//! # Which bytes carry the descriptors
//!
//! ```text
//! frames     [ A ][ B, 2 fds ][ C ][ D, 1 fd ]
//!
//! sendmsg   |A   |B      +2  |C   |D    +1  |     Placement::Alone
//!           |A   |B      +2   C   |D    +1  |     Placement::FirstByte
//!           |A    B       C    D        +3  |     Placement::Together
//!
//! recvmsg   |A    B      +2  |C    D    +1  |     of the calls of Alone, on Linux
//! ```
//!
//! A receiver knows the range of bytes that arrived with a descriptor set, and no more. How frames claim
//! descriptors is the [`Attribution`] of the protocol:
//!
//! - [`Range`](Attribution::Range): a frame claims descriptors only of sets whose range it overlaps, in
//!   order, as many as it declares.
//! - [`Fifo`](Attribution::Fifo): a frame claims the oldest descriptors, as many as it declares.
//! - [`LastByte`](Attribution::LastByte): a frame claims all descriptors of sets whose range ends with one
//!   of its bytes. It declares none.
//!
//! With `Range` and `LastByte`, descriptors that are not claimed when the range is decoded end the stream
//! of frames, or are closed and counted. They are never given to a later frame. If a frame is
//! [discarded](ReceivedFds::discard), a set whose range extends past the end of that frame waits for a
//! later frame until its range is decoded. With `Fifo`, unclaimed descriptors wait for later frames. Those
//! that wait at the end of the stream end the stream of frames with an error, or are closed and counted.
//!
//! # Guarantees
//!
//! - Sending: a descriptor set is sent once, in one `sendmsg`, never later than the first byte of its
//!   frame, and by the [`Placement`] of the protocol. Frames without descriptors share calls. A full
//!   socket is back-pressure. A frame that is rejected returns whole to the caller.
//! - Receiving with [`Attribution::Range`]: exact for every sender whose frames with descriptors each
//!   have a `sendmsg` of their own, or begin one. A sender that declares wrong counts gets an error, or
//!   at worst descriptors that it sent itself within one `recvmsg` of this process, and never those of
//!   an earlier set. A set whose frame does not begin its `sendmsg` is attributed if one read covers
//!   it. Otherwise it is an error.
//! - Receiving with [`Attribution::Fifo`]: in order, for protocols in which only the order matters.
//! - Receiving with [`Attribution::LastByte`]: exact for every sender that gives each frame with
//!   descriptors a `sendmsg` of its own. A sender that lets another frame follow in that `sendmsg` may
//!   get its descriptors attributed to that frame.
//! - Bounds: descriptors that wait, bytes that wait for the end of a frame, and, if configured, how
//!   long each waits.
//!
//! # Errors
//!
//! A frame that the codec or a limit rejects returns in [`SendError::unsent`], with its descriptors, and
//! later frames can be sent. A frame whose descriptors the kernel refuses stays in the buffer, until
//! [`Framed::take_refused`] removes it. If it borrows the descriptors, it returns in
//! [`SendError::unsent`]. A [`ReceiveError`] ends the stream of frames. Everything that arrived and was
//! not returned is closed then.
//!
//! | the caller does | result |
//! |---|---|
//! | sends a frame with more descriptors than the limit of the stream | [`SendErrorKind::TooManyFds`] |
//! | sends a frame with descriptors and no bytes | [`SendErrorKind::FdsWithoutBytes`] |
//! | sends a frame that its encoder rejects | [`SendErrorKind::Codec`], and no byte of it is in the buffer |
//! | sends a frame while the write queue of the stream itself has descriptors | [`SendErrorKind::WriteQueueNotEmpty`] |
//! | sends descriptors to a peer that does not accept any | [`SendErrorKind::FdsRefusedByPeer`]; [`Framed::take_refused`] returns a frame that owns them, [`SendError::unsent`] a frame that borrows them |
//! | has too many descriptors in flight | [`SendErrorKind::TooManyFdsInFlight`]; as above, and a later flush tries again |
//! | gives a frame that borrows descriptors to [`Framed::feed`] or to the `Sink` | [`SendErrorKind::BorrowedFds`] |
//! | sends a frame that owns descriptors and borrows others | [`SendErrorKind::OwnedAndBorrowedFds`] |
//! | sends a frame while one that was fed before cannot be sent | the error of that frame; the new frame is in [`SendError::unsent`] |
//! | flushes when frames cannot be sent | [`FlushError`]; they stay in the buffer |
//! | closes while the write queue of the stream itself has descriptors | [`FlushError::FdsWithoutBytes`]; the write side stays open |
//! | drops a [`Framed::send`] before a byte of its frame was sent | nothing of the frame is sent, and its descriptors are closed |
//! | drops a [`Framed::send`] after that | the rest is in the buffer, and is sent by the next flush |
//! | reunites halves of two streams | [`ReuniteError`](crate::ReuniteError) with both halves |
//! | claims more descriptors than arrived with the frame | [`TakeFdsError::Missing`] |
//! | claims a part of a set that a rejected frame may have sent | [`TakeFdsError::Ambiguous`] |
//!
//! | the peer does | result |
//! |---|---|
//! | declares more descriptors than it sends | [`ReceiveError::MissingFds`] |
//! | sends more descriptors than it declares | [`ReceiveError::UnclaimedFds`], or with [`Unclaimed::Close`] they are closed and counted |
//! | sends more descriptors in one message than the limit of the stream | [`ReceiveError::TooManyFds`] |
//! | sends descriptors for frames that it does not complete | [`ReceiveError::TooManyWaitingFds`], [`ReceiveError::FdsOverdue`] |
//! | sends a frame that is too long, or does not complete it | [`ReceiveError::FrameTooLong`], [`ReceiveError::FrameOverdue`] |
//! | sends a frame that does not parse | [`ReceiveError::Codec`], or an item if the decoder discards it |
//! | sends two frames with descriptors in one `sendmsg`, of which the first is discarded | [`ReceiveError::AmbiguousFds`] or [`ReceiveError::MissingFds`] |
//! | sends a frame with descriptors and the start of the next in one `sendmsg`, and [`Attribution::LastByte`] is set | the next frame gets the descriptors if one read returns both |
//! | closes the connection inside a frame | [`ReceiveError::ClosedInsideFrame`] |
//! | sends descriptors while the descriptor table of this process is full | [`ReceiveError::Truncated`], or with [`ReadPolicy::survive_truncation`] the frames are marked |

mod deadlines;
mod decoder;
mod encoder;
mod fd_queue;
mod fd_set;
mod flush_error;
mod framed;
mod framed_methods;
mod framed_parts;
mod framed_read;
mod framed_split;
mod framed_write;
mod inbound;
mod memory_charge;
mod outbound;
mod policy;
mod read_buffer;
mod read_progress;
mod read_state;
mod receive_error;
mod received_fds;
mod refused_frame;
mod send_error;
mod send_frame;
mod take_fds_error;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod with_fds;
mod write_state;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use fd_queue::TakenFds;
pub use fd_set::FdSet;
pub use flush_error::FlushError;
pub use framed::Framed;
pub use framed_parts::FramedParts;
pub use framed_read::FramedRead;
pub use framed_write::FramedWrite;
pub use policy::{Attribution, Placement, ReadPolicy, Unclaimed, WritePolicy};
pub use receive_error::ReceiveError;
pub use received_fds::ReceivedFds;
pub use refused_frame::RefusedFrame;
pub use send_error::{SendError, SendErrorKind};
pub use take_fds_error::TakeFdsError;
pub use with_fds::WithFds;
