//! What a protocol decides: whose descriptors are whose, and where they ride.

use std::time::Duration;

/// How a received set finds its frame.
///
/// ```
/// use anchovy::codec::{Attribution, ReadPolicy};
///
/// let dbus = ReadPolicy::default();
/// assert_eq!(dbus.attribution, Attribution::Range);
/// let wayland = ReadPolicy { attribution: Attribution::Fifo, ..ReadPolicy::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribution {
    /// A frame gets descriptors of sets that came with its own bytes, and no others.
    ///
    /// For protocols in which a frame has its own descriptors (D-Bus, varlink).
    #[default]
    Range,
    /// A frame gets the oldest descriptors that wait, whatever they came with.
    ///
    /// For protocols in which descriptors are a queue beside the bytes (Wayland, X11).
    Fifo,
}

/// What becomes of descriptors that nothing claimed, once the bytes they came with are decoded.
///
/// ```
/// use anchovy::codec::{ReadPolicy, Unclaimed};
///
/// // As dbus-broker does where a frame brings more than it declares.
/// let lenient = ReadPolicy { unclaimed: Unclaimed::Close, ..ReadPolicy::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclaimed {
    /// The stream of frames ends with
    /// [`ReceiveError::UnclaimedFds`](super::ReceiveError::UnclaimedFds).
    #[default]
    Error,
    /// They are closed and counted.
    Close,
}

/// Where the descriptors of a frame ride.
///
/// ```
/// use anchovy::codec::{Placement, WritePolicy};
///
/// let wayland = WritePolicy { placement: Placement::Together, ..WritePolicy::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// With their frame, which shares its `sendmsg` with no byte of another frame.
    ///
    /// What every D-Bus peer accepts.
    #[default]
    Alone,
    /// With the first byte of their frame, which begins a `sendmsg`; plain frames may follow in it.
    FirstByte,
    /// In order, with the first byte of their frame or earlier: several sets share a `sendmsg`, as
    /// many as fit into its limit of descriptors.
    ///
    /// What Wayland allows, and the fewest calls.
    Together,
}

/// How frames are received.
///
/// # Memory
///
/// A connection that waits for a frame keeps a buffer of 2 KiB, or of 8 KiB once there was more to read
/// than fitted; frames of up to 128 KiB leave larger ones, up to 256 KiB. Memory for longer frames,
/// which share it, goes with the frame: the connection gives it up when it waits for the next frame or
/// receives a shorter one, and what is more than 2 MiB at once. At most, a connection holds twice
/// [`max_frame_bytes`](Self::max_frame_bytes) and 512 KiB, and the memory of the frames that were
/// received lives as long as they. Memory grows with what has arrived, whatever length a peer
/// declares. What is freed goes to the allocator; that of glibc keeps up to twice the largest
/// freed block, at most 64 MB, unless `M_TRIM_THRESHOLD` is set (mallopt(3)).
///
/// # Accounts
///
/// If the stream has an [account](crate::AnchovyStream::set_account), two things are charged to it:
/// descriptors that wait for their frames, and the memory of the buffer above 8 KiB, which is given
/// back whenever the connection waits for a frame. While the account has no room, nothing is read,
/// and timeouts run. Half frames of one account can fill it together, so set a
/// [`frame_timeout`](Self::frame_timeout).
///
/// With [`Attribution::Range`], room for [`max_waiting_fds`](Self::max_waiting_fds), but at most for a
/// quarter of the total of the budget, is charged as long as any descriptor waits. So half frames of
/// one account do not wait for each other's descriptors. With [`Attribution::Fifo`], only descriptors
/// that wait are charged, and room for one more set during a read.
///
/// ```
/// use std::time::Duration;
///
/// use anchovy::codec::ReadPolicy;
///
/// // What a server grants a client that it does not know.
/// let stranger = ReadPolicy {
///     max_waiting_fds: 64,
///     max_frame_bytes: 1 << 20,
///     fd_timeout: Some(Duration::from_secs(30)),
///     frame_timeout: Some(Duration::from_secs(60)),
///     ..ReadPolicy::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPolicy {
    /// How a received set finds its frame.
    pub attribution: Attribution,
    /// What becomes of descriptors that nothing claimed. With [`Attribution::Fifo`] that is known
    /// only when the stream has ended.
    pub unclaimed: Unclaimed,
    /// Whether to go on when the kernel cut a set. What came of it is closed, and frames whose
    /// bytes it came with find it out from
    /// [`ReceivedFds::truncation`](super::ReceivedFds::truncation). Otherwise, and always with
    /// [`Attribution::Fifo`] (where nobody could say any more whose the next descriptors are), the
    /// stream of frames ends with [`ReceiveError::Truncated`](super::ReceiveError::Truncated).
    pub survive_truncation: bool,
    /// The most descriptors that may wait for their frames, but at least one full set. There is
    /// always room for another full set, or nothing is read. A set that was cut counts as one.
    pub max_waiting_fds: usize,
    /// The most bytes that may wait for the end of a frame, and so about the most that a frame may
    /// have; up to 256 KiB more may have been read.
    pub max_frame_bytes: usize,
    /// How long descriptors may wait for the rest of their frame. With it, tokio's timers are used.
    pub fd_timeout: Option<Duration>,
    /// How long the rest of a frame may take to arrive, with or without descriptors, from the time at
    /// which a read had to wait for it first. Bytes that arrive meanwhile do not extend it. A frame
    /// that is late ends the stream of frames with
    /// [`ReceiveError::FrameOverdue`](super::ReceiveError::FrameOverdue). A connection on which no
    /// frame has begun may wait for ever. With it, tokio's timers are used.
    pub frame_timeout: Option<Duration>,
}

impl Default for ReadPolicy {
    /// By range, and strict; 512 descriptors (two full sets), 16 MiB, no timeouts.
    fn default() -> ReadPolicy {
        ReadPolicy {
            attribution: Attribution::default(),
            unclaimed: Unclaimed::default(),
            survive_truncation: false,
            max_waiting_fds: 512,
            max_frame_bytes: 16 << 20,
            fd_timeout: None,
            frame_timeout: None,
        }
    }
}

/// How frames are sent.
///
/// # Memory
///
/// A buffer that is empty keeps at most 256 KiB; larger memory is given back with the last byte that
/// leaves. At most, a connection holds twice
/// [`max_buffered_bytes`](Self::max_buffered_bytes) and one frame more. What an encoder returns as
/// [payload](super::Encoder::payload) is not copied, and is dropped once it has left.
///
/// If the stream has an [account](crate::AnchovyStream::set_account), bytes that have not left are
/// charged to it, except for 8 KiB. A frame is accepted in any case; while the account has no room for
/// those before it, the sink sends them first.
///
/// ```
/// use anchovy::codec::WritePolicy;
///
/// // Nothing waits: each frame is sent before the next one is taken.
/// let prompt = WritePolicy { max_buffered_bytes: 1, ..WritePolicy::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WritePolicy {
    /// Where the descriptors of a frame ride.
    pub placement: Placement,
    /// Bytes that may wait to be sent; with as many, the sink sends before it takes another frame.
    pub max_buffered_bytes: usize,
    /// Descriptors that may wait to be sent; with as many, the sink sends before it takes another
    /// frame.
    pub max_buffered_fds: usize,
}

impl Default for WritePolicy {
    /// Alone; 64 KiB, 256 descriptors.
    fn default() -> WritePolicy {
        WritePolicy {
            placement: Placement::default(),
            max_buffered_bytes: 64 << 10,
            max_buffered_fds: 256,
        }
    }
}
