//! Frames, each with its own descriptors.
//!
//! A protocol cuts a stream into frames, and says with each how many descriptors it has. This module
//! has the shapes of tokio-util's codec ([`Decoder`], [`Encoder`], [`Framed`]) for that, and none of
//! its trap: a `tokio_util::codec::Framed` over a stream with descriptors joins several frames into
//! one write, and the descriptors of all of them leave with the first.
//!
//! # Where descriptors ride
//!
//! ```text
//! frames     [ A ][ B, 2 fds ][ C ][ D, 1 fd ]
//!
//! sendmsg   |A   |B      +2  |C   |D    +1  |     Placement::Alone
//!           |A   |B      +2   C   |D    +1  |     Placement::FirstByte
//!           |A    B       C    D        +3  |     Placement::Together
//!
//! recvmsg   |A    B      +2  |C    D    +1  |     of what Alone sent, on Linux
//! ```
//!
//! What a receiver can know of a set is the range of bytes that came with it. A frame may claim
//! descriptors only of sets whose range it overlaps, in order, as many as it declares; what nobody
//! has claimed when a range is decoded ends the stream of frames (or is closed and counted), and is
//! never handed to a later one.
//!
//! # What is guaranteed
//!
//! - Sending: a set leaves once, in one `sendmsg`, never later than the first byte of its frame, and
//!   by the [`Placement`] that the protocol chose. Plain frames share calls. A full socket is
//!   back-pressure; a frame that is refused comes back whole.
//! - Receiving, [`Attribution::Range`]: exact for every sender that gives each frame with descriptors
//!   its own `sendmsg`, or puts it first in one. A sender that lies about counts gets an error, or
//!   at worst descriptors that it sent itself within one `recvmsg` of ours: never those of an earlier
//!   set. Sets that are buried behind other frames are attributed when one read covers them, and an
//!   error otherwise.
//! - Receiving, [`Attribution::Fifo`]: in order, for protocols in which only that matters.
//! - Bounded: descriptors that wait, bytes that wait for the end of a frame, and, if wanted, how
//!   long each waits.
//!
//! A [`ReceiveError`] ends a stream of frames; everything that arrived and was not returned is
//! closed then. A [`SendError`] returns the frame that was refused.

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
mod write_state;

pub use decoder::Decoder;
pub use encoder::Encoder;
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
