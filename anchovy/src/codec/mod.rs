//! Frames, each with its own descriptors.
//!
//! A protocol divides a stream into frames, some of which have descriptors. For such protocols, this module
//! has a [`Decoder`], an [`Encoder`] and a [`Framed`], which correspond to those of tokio-util and give each
//! frame its own descriptors. The `Framed` of tokio-util cannot do this: it joins several frames into one
//! write, and all descriptors in the write queue of the stream would be sent with the first of them.
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
//! | send frames without descriptors | an [`Encoder`] that implements only `encode` |
//! | use a codec that was written for tokio-util | [`WithFds::framed`] |
//! | send descriptors that the program keeps | [`Encoder::borrowed_fds`] |
//! | receive frames | [`Framed::next`] |
//! | answer a frame that does not parse | a [`Decoder`] whose item is a `Result`, and [`ReceivedFds::discard`] |
//! | send and receive in two tasks | [`Framed::into_split`], [`Framed::into_split_with`] |
//! | limit the descriptors, memory and time that a peer can use | [`ReadPolicy`], [`WritePolicy`] |
//! | take over from or hand over to other code | [`Framed::from_parts`], [`Framed::into_parts`] |
//! | use the combinators of futures-util | the `Stream` and `Sink` of [`Framed`], [`FramedRead`], [`FramedWrite`] |
//!
//! # Which bytes carry the descriptors
//!
//! Each `| |` is one system call, and `+2` stands for the two descriptors of the call:
//!
//! ```text
//! frames     [ A ][ B, 2 fds ][ C ][ D, 1 fd ]
//!
//! sendmsg   |A   |B      +2  |C   |D    +1  |     Placement::Alone
//!           |A   |B      +2   C   |D    +1  |     Placement::FirstByte
//!           |A    B       C    D        +3  |     Placement::Together
//!
//! recvmsg   |A    B      +2  |C    D    +1  |     on Linux, after Placement::Alone
//! ```
//!
//! The descriptors that one `recvmsg` returns are a *descriptor set*, and the bytes that it returns are the
//! *range* of the set. A descriptor *waits* from its arrival until a decoder takes it for a frame
//! ([`ReceivedFds::take`]) or it is closed. A frame *declares* a number of descriptors if the decoder can
//! determine the number from the bytes of the frame. The kernel does not report which bytes of the range a
//! descriptor was sent with. So the protocol determines by which rule a frame gets its descriptors
//! ([`Attribution`]):
//!
//! - [`Range`](Attribution::Range): a frame declares a number. The decoder takes this number of descriptors,
//!   the oldest first, from the sets whose range contains a byte of the frame.
//! - [`Fifo`](Attribution::Fifo): a frame declares a number. The decoder takes this number of descriptors,
//!   the oldest first, from all descriptors that wait.
//! - [`LastByte`](Attribution::LastByte): a frame does not declare a number. The decoder takes all
//!   descriptors of each set whose range ends with a byte of the frame.
//!
//! Descriptors that are not taken for any frame are *unclaimed*. They end the stream of frames with an
//! error, or are closed and counted ([`Unclaimed`]). With `Range` and `LastByte`, descriptors wait only until
//! all bytes of the range of their set are decoded. Those that are left then are unclaimed, and no later
//! frame gets them. With `Fifo`, descriptors wait for later frames. Those that are left at the end of the
//! stream are unclaimed. If the decoder discards a frame, [`ReceivedFds::discard`] closes its descriptors.
//!
//! # Guarantees
//!
//! - Sending: the descriptors of a frame are sent once, in one `sendmsg`, with the first byte of the frame
//!   or earlier ([`Placement`]). One `sendmsg` can send several frames without descriptors. While the socket
//!   has no room, sending waits. The error of a rejected frame contains the frame, unchanged and with all
//!   its descriptors ([`SendError::unsent`]).
//! - Receiving with [`Attribution::Range`]: each frame gets exactly its own descriptors if the sender begins
//!   a new `sendmsg` with each frame that has descriptors. Other senders send descriptors before the first
//!   byte of their frame. Such descriptors are attributed correctly if one read returns both them and a byte
//!   of their frame. Otherwise the stream of frames ends with an error. If frames declare wrong numbers, the
//!   stream of frames ends with an error, or at worst a frame gets descriptors that arrived in the same set
//!   but were sent for another frame.
//! - Receiving with [`Attribution::Fifo`]: frames get descriptors in the order in which these arrived, for
//!   protocols in which only the order matters.
//! - Receiving with [`Attribution::LastByte`]: each frame gets exactly its own descriptors if the sender
//!   gives each frame with descriptors a `sendmsg` of its own. If another frame follows in the same
//!   `sendmsg`, that later frame may get the descriptors.
//! - Limits: [`ReadPolicy`] limits the number of descriptors that wait and the length of a frame. It can also
//!   limit the time for which descriptors wait, and the time in which the rest of a frame must arrive.
//!
//! # Errors
//!
//! If the codec or a limit rejects a frame, [`SendError::unsent`] is this frame, with its descriptors, and
//! later frames can be sent. If the kernel refuses descriptors that a frame owns, the frame stays in the
//! buffer. The next flush tries to send it again, unless [`Framed::take_refused`] has removed it. If the
//! kernel refuses descriptors that a frame borrows, the frame is in [`SendError::unsent`].
//!
//! A [`ReceiveError`] ends the stream of frames. Descriptors that wait are closed, and bytes that are not
//! decoded are dropped.
//!
//! | the caller does | result |
//! |---|---|
//! | sends a frame with more descriptors than the limit of the stream | [`SendErrorKind::TooManyFds`] |
//! | sends a frame with descriptors and no bytes | [`SendErrorKind::FdsWithoutBytes`] |
//! | sends a frame that its encoder rejects | [`SendErrorKind::Codec`], and no byte of it is in the buffer |
//! | sends a frame while the write queue of the stream itself has descriptors | [`SendErrorKind::WriteQueueNotEmpty`] |
//! | sends descriptors to a peer that does not accept any | [`SendErrorKind::FdsRefusedByPeer`]; [`Framed::take_refused`] returns a frame that owns them, [`SendError::unsent`] a frame that borrows them |
//! | sends descriptors while too many are in flight: sent by all processes of this user, and not received yet (`ETOOMANYREFS`, unix(7)) | [`SendErrorKind::TooManyFdsInFlight`]; [`Framed::take_refused`] returns a frame that owns them, [`SendError::unsent`] a frame that borrows them |
//! | gives a frame that borrows descriptors to [`Framed::feed`] or to the `Sink` | [`SendErrorKind::BorrowedFds`] |
//! | sends a frame that owns descriptors and borrows others | [`SendErrorKind::OwnedAndBorrowedFds`] |
//! | sends a frame while an earlier frame in the buffer cannot be sent | the error of that frame; the new frame is in [`SendError::unsent`], or in the buffer if it was accepted |
//! | flushes when frames cannot be sent | [`FlushError`]; the frames stay in the buffer |
//! | closes while the write queue of the stream itself has descriptors | [`FlushError::FdsWithoutBytes`], or [`FlushError::WriteQueueNotEmpty`] if frames are in the buffer; the write side stays open |
//! | drops the future of a [`Framed::send`] that has not accepted its frame | nothing of the frame is sent, and it is dropped with the descriptors that it owns |
//! | drops the future of a [`Framed::send`] that has accepted its frame | the unsent part of the frame is in the buffer, and the next flush sends it |
//! | reunites halves of two streams | [`ReuniteError`](crate::ReuniteError) with both halves |
//! | takes more descriptors than are available to the frame | [`TakeFdsError::Missing`] |
//! | takes only a part of a set, although a [discarded](ReceivedFds::discard) frame may have been sent with descriptors of this set | [`TakeFdsError::Ambiguous`] |
//!
//! | the peer does | result |
//! |---|---|
//! | sends fewer descriptors than its frames declare | [`ReceiveError::MissingFds`] |
//! | sends more descriptors than its frames declare | [`ReceiveError::UnclaimedFds`], or with [`Unclaimed::Close`] the unclaimed descriptors are closed and counted |
//! | sends more descriptors in one message than the limit of the stream | [`ReceiveError::TooManyFds`] |
//! | sends descriptors for frames that it does not complete | [`ReceiveError::TooManyWaitingFds`], [`ReceiveError::FdsOverdue`] |
//! | sends a frame that is too long, or does not complete it | [`ReceiveError::FrameTooLong`], [`ReceiveError::FrameOverdue`] |
//! | sends a frame that does not parse | [`ReceiveError::Codec`], or the item that the decoder returns for a frame that it discards |
//! | sends two frames with descriptors in one `sendmsg`, and the decoder discards the first | [`ReceiveError::AmbiguousFds`] or [`ReceiveError::MissingFds`]. With [`Attribution::Fifo`], the second frame may instead get descriptors of a later frame. With [`Attribution::LastByte`], all descriptors go to one frame: if this is the discarded one, they are closed. |
//! | sends a frame with descriptors and the start of the next frame in one `sendmsg` | with [`Attribution::LastByte`], the next frame gets the descriptors if one read returns bytes of both frames |
//! | closes the connection between two frames | `None` |
//! | closes the connection inside a frame | [`ReceiveError::ClosedInsideFrame`] |
//! | closes the connection, or is killed, while bytes from this side are unread | what the peer has sent, then [`ReceiveError::Io`] with [`ConnectionReset`](std::io::ErrorKind::ConnectionReset) |
//! | sends descriptors while the descriptor table of this process is full | [`ReceiveError::Truncated`], or with [`ReadPolicy::survive_truncation`] the decoder gets the cause from [`ReceivedFds::truncation`] |

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
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
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
