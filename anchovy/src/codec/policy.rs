//! The policies of a protocol: attribution, placement and limits.

use std::time::Duration;

/// The rule by which frames get received descriptors.
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
    /// A frame gets the number of descriptors that the decoder asks for, from the reads that returned
    /// bytes of the frame, and no others.
    ///
    /// For protocols whose frames contain the number of their descriptors (D-Bus).
    #[default]
    Range,
    /// A frame gets the number of descriptors that the decoder asks for: the oldest descriptors that wait,
    /// whichever bytes they arrived with.
    ///
    /// For protocols in which the descriptors form a queue that is separate from the bytes (Wayland,
    /// X11).
    Fifo,
    /// A frame gets all descriptors of each read whose last byte belongs to the frame.
    ///
    /// For protocols whose frames do not contain the number of their descriptors (varlink, as systemd and
    /// zlink extend it). The decoder takes the descriptors of a frame with
    /// [`ReceivedFds::take_all`](super::ReceivedFds::take_all). [`WithFds`](super::WithFds) does so for
    /// codecs that were written for tokio-util.
    ///
    /// On Linux, a read that returns descriptors ends with a byte of their `sendmsg`, and may begin with
    /// bytes of earlier `sendmsg` calls. The read returns at most the first 36,544 bytes of the `sendmsg`
    /// with the descriptors (measured on Linux 6.18). So the result depends on the sender:
    ///
    /// | Sender | Frame that gets the descriptors |
    /// |---|---|
    /// | sends each frame that has descriptors in a `sendmsg` of its own ([`Placement::Alone`], systemd, zlink) | the frame that they were sent with |
    /// | begins a `sendmsg` with a frame that has descriptors and 36,544 bytes or more, and other frames follow | the frame that they were sent with |
    /// | begins a `sendmsg` with a shorter frame that has descriptors, and other frames follow ([`Placement::FirstByte`]) | the frame with the last byte of the read, which may be a wrong one |
    /// | sends the descriptors of several frames in one `sendmsg` ([`Placement::Together`]) | the frame with the last byte of the read gets all of them |
    ///
    /// A dishonest sender can move its own descriptors between its own frames, within one read.
    /// Descriptors that the decoder does not take are closed or end the stream of frames
    /// ([`ReadPolicy::unclaimed`]) as soon as their frame is decoded. They never go to a later frame.
    ///
    /// # Platform-specific behavior
    ///
    /// Kernels that are derived from BSD end a read *before* the first byte of the next `sendmsg` with
    /// descriptors. So a read that returns descriptors begins with a byte of their `sendmsg`, and may end
    /// with bytes of later `sendmsg` calls. On these systems, a frame gets all descriptors of each read whose
    /// *first* byte belongs to the frame. If each frame with descriptors has a `sendmsg` of its own, it gets
    /// the descriptors that it was sent with, as on Linux. This is not tested.
    LastByte,
}

/// The handling of unclaimed descriptors. Descriptors are unclaimed if all bytes that they arrived with are
/// decoded, and the decoder has not taken them for any frame.
///
/// With [`Attribution::Fifo`], descriptors wait for later frames, and are unclaimed only at the end of the
/// stream.
///
/// ```
/// use anchovy::codec::{ReadPolicy, Unclaimed};
///
/// // As dbus-broker does if a message arrives with more descriptors than its header declares.
/// let lenient = ReadPolicy { unclaimed: Unclaimed::Close, ..ReadPolicy::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclaimed {
    /// The stream of frames ends with
    /// [`ReceiveError::UnclaimedFds`](super::ReceiveError::UnclaimedFds).
    #[default]
    Error,
    /// The descriptors are closed and counted ([`Framed::unclaimed_fds`](super::Framed::unclaimed_fds)).
    Close,
}

/// The bytes that the descriptors of a frame are sent with.
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
    /// Every D-Bus peer accepts this, and [`Attribution::LastByte`] requires it of the sender.
    #[default]
    Alone,
    /// With the first byte of their frame, which begins a `sendmsg`. Frames without descriptors may
    /// follow in the same `sendmsg`.
    FirstByte,
    /// In order, with the first byte of their frame or earlier. One `sendmsg` has the descriptors of
    /// several frames, up to the [limit of the stream](crate::AnchovyStream::write_fd_limit).
    ///
    /// Wayland allows this, and it needs the fewest system calls.
    Together,
}

/// The policy for received frames.
///
/// # Defaults
///
/// | field | default | reason |
/// |---|---|---|
/// | [`attribution`](Self::attribution) | [`Attribution::Range`] | No frame gets descriptors that arrived with other bytes. |
/// | [`unclaimed`](Self::unclaimed) | [`Unclaimed::Error`] | A peer that sends more descriptors than its frames have is noticed. |
/// | [`survive_truncation`](Self::survive_truncation) | `false` | After a truncation, descriptors are missing, and the peer does not know it. |
/// | [`max_waiting_fds`](Self::max_waiting_fds) | 512 | Room for two full sets: the kernel allows 253 descriptors in a message (`SCM_MAX_FD`). One full set can wait while the next is received. |
/// | [`max_frame_bytes`](Self::max_frame_bytes) | 16 MiB | Twice the limit of tokio-util's `LengthDelimitedCodec`. If the protocol has a limit of its own, set that one (D-Bus: 128 MiB, libwayland: 4 KiB). |
/// | [`fd_timeout`](Self::fd_timeout) | `None` | The time that a peer needs is not known here. dbus-daemon allows 150 seconds (`pending_fd_timeout`). |
/// | [`frame_timeout`](Self::frame_timeout) | `None` | The time that a peer needs is not known here. A server sets `fd_timeout` and `frame_timeout` for clients that it does not trust. |
///
/// ```
/// use anchovy::codec::{Attribution, ReadPolicy, Unclaimed};
///
/// let default = ReadPolicy {
///     attribution: Attribution::Range,
///     unclaimed: Unclaimed::Error,
///     survive_truncation: false,
///     max_waiting_fds: 512,
///     max_frame_bytes: 16 * 1024 * 1024,
///     fd_timeout: None,
///     frame_timeout: None,
/// };
/// assert_eq!(ReadPolicy::default(), default);
/// ```
///
/// # Memory
///
/// The size of the buffer depends on the received frames:
///
/// | Frames | Buffer |
/// |---|---|
/// | short | 2 KiB, or 8 KiB after a read has filled it |
/// | up to 128 KiB | up to 256 KiB, also while the connection waits for the next frame |
/// | longer | more, until the connection waits for the next frame or receives a shorter one |
///
/// A buffer of more than 2 MiB is released as soon as its frame is decoded. Frames can share the memory
/// of the buffer. Shared memory is freed when the last of these frames is dropped. Apart from shared memory,
/// a connection holds at most 512 KiB more than twice [`max_frame_bytes`](Self::max_frame_bytes). Memory
/// grows with the bytes that have arrived, whatever length a peer declares.
///
/// Freed memory returns to the allocator. The allocator of glibc keeps up to twice the largest freed
/// block, at most 64 MB, unless `M_TRIM_THRESHOLD` is set (mallopt(3)).
///
/// # Accounts
///
/// If the stream has an [account](crate::AnchovyStream::set_account), the account is charged for descriptors
/// that wait for their frames. It is also charged for the memory of the buffer, except the first 8 KiB. A
/// buffer that was charged shrinks to 8 KiB when the connection waits for the next frame.
///
/// While the account has no room, nothing is read, and timeouts continue to run. Incomplete frames of
/// several connections can fill the account, so that none of them can be completed. A
/// [`frame_timeout`](Self::frame_timeout) ends such connections.
///
/// With [`Attribution::Range`] and [`Attribution::LastByte`], the stream reserves room in the account before
/// it reads: for [`max_waiting_fds`](Self::max_waiting_fds) descriptors, or for a quarter of the total of the
/// budget if that is less. If this is less than the number of waiting descriptors plus
/// [`read_fd_limit`](crate::AnchovyStream::read_fd_limit), the stream reserves room for that sum instead,
/// and releases what it does not need after the read. The first amount stays reserved while any descriptor
/// waits for its frame, so the room for the rest of a frame is usually reserved before its first descriptor
/// arrives. Two connections can block each other, each waiting for room that the other one holds. This can
/// happen only if the waiting descriptors of a connection plus `read_fd_limit` exceed a quarter of the total.
///
/// With [`Attribution::Fifo`], a stream reserves room only for the descriptors that wait, and during a read
/// for `read_fd_limit` more.
///
/// ```
/// use std::time::Duration;
///
/// use anchovy::codec::ReadPolicy;
///
/// // The limits of a server for clients that it does not trust.
/// let untrusted = ReadPolicy {
///     max_waiting_fds: 64,
///     max_frame_bytes: 1 << 20,
///     fd_timeout: Some(Duration::from_secs(30)),
///     frame_timeout: Some(Duration::from_secs(60)),
///     ..ReadPolicy::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPolicy {
    /// The rule by which frames get received descriptors. [`Attribution::Range`] by default.
    pub attribution: Attribution,
    /// The handling of descriptors that were not taken for any frame. [`Unclaimed::Error`] by default.
    ///
    /// With [`Attribution::Fifo`], this applies at the end of the stream only, because descriptors wait for
    /// later frames until then.
    pub unclaimed: Unclaimed,
    /// Whether the stream of frames continues after the kernel truncated a set, which means that it did not
    /// deliver all descriptors. `false` by default.
    ///
    /// If this is `true`, the delivered descriptors of the set are closed. For each frame that the set may
    /// belong to, the decoder gets the cause from
    /// [`ReceivedFds::truncation`](super::ReceivedFds::truncation). If this is `false`, the stream of frames
    /// ends with [`ReceiveError::Truncated`](super::ReceiveError::Truncated).
    ///
    /// With [`Attribution::Fifo`], the stream of frames always ends: the number of missing descriptors is
    /// not known, so later frames would get wrong ones.
    pub survive_truncation: bool,
    /// Maximum number of descriptors that wait for their frames. 512 by default.
    ///
    /// Each read may return up to [`read_fd_limit`](crate::AnchovyStream::read_fd_limit) descriptors. If
    /// descriptors wait when a read begins, and their number plus `read_fd_limit` exceeds `max_waiting_fds`,
    /// the stream of frames ends with
    /// [`ReceiveError::TooManyWaitingFds`](super::ReceiveError::TooManyWaitingFds). If none waits, the read
    /// begins in any case, so one message can have more descriptors than `max_waiting_fds`. A truncated set
    /// counts as one descriptor.
    pub max_waiting_fds: usize,
    /// Maximum length of a frame in bytes. 16 MiB by default.
    ///
    /// If this many bytes or more of a frame have arrived, and its end has not, the stream of frames ends
    /// with [`ReceiveError::FrameTooLong`](super::ReceiveError::FrameTooLong). One read can return up to
    /// 256 KiB, so a frame that is up to 256 KiB longer may still be received.
    pub max_frame_bytes: usize,
    /// Time that descriptors may wait for the rest of their frame. No limit by default.
    ///
    /// Descriptors that wait longer end the stream of frames with
    /// [`ReceiveError::FdsOverdue`](super::ReceiveError::FdsOverdue). The timeout needs a tokio runtime with
    /// time enabled.
    pub fd_timeout: Option<Duration>,
    /// Time in which the rest of a frame has to arrive, with or without descriptors. No limit by
    /// default.
    ///
    /// The time begins when a read first had to wait for the rest. Bytes that arrive later do not extend it.
    /// A frame that takes longer ends the stream of frames with
    /// [`ReceiveError::FrameOverdue`](super::ReceiveError::FrameOverdue). A connection on which no frame
    /// has begun may wait forever. The timeout needs a tokio runtime with time enabled.
    pub frame_timeout: Option<Duration>,
}

impl Default for ReadPolicy {
    /// Returns the [defaults](ReadPolicy#defaults).
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

/// The policy for sent frames.
///
/// # Defaults
///
/// | field | default | reason |
/// |---|---|---|
/// | [`placement`](Self::placement) | [`Placement::Alone`] | Every receiver attributes the descriptors correctly. |
/// | [`max_buffered_bytes`](Self::max_buffered_bytes) | 64 KiB | Small frames share calls, and a peer that does not read is noticed early. A socket takes about 208 KiB at once (`net.core.wmem_default`). |
/// | [`max_buffered_fds`](Self::max_buffered_fds) | 256 | Room for one full set: the kernel allows 253 descriptors in a message (`SCM_MAX_FD`). |
///
/// ```
/// use anchovy::codec::{Placement, WritePolicy};
///
/// let default = WritePolicy {
///     placement: Placement::Alone,
///     max_buffered_bytes: 64 * 1024,
///     max_buffered_fds: 256,
/// };
/// assert_eq!(WritePolicy::default(), default);
/// ```
///
/// # Memory
///
/// A buffer that is empty keeps at most 256 KiB, or 8 KiB if the stream has an account. Larger memory is
/// freed when its last byte has been sent. The unsent bytes are at most
/// [`max_buffered_bytes`](Self::max_buffered_bytes) plus the length of one frame. The memory of the buffer
/// can be larger than the unsent bytes, because it grows by doubling. A long
/// [payload](super::Encoder::payload) is not copied into the buffer, and is dropped once it has been sent.
///
/// # Accounts
///
/// If the stream has an [account](crate::AnchovyStream::set_account), the account is charged for unsent
/// bytes, except the first 8 KiB. A frame is accepted before it is charged. The next frame is accepted only
/// when the account has room for this charge, or when all unsent bytes have been sent.
///
/// ```
/// use anchovy::codec::WritePolicy;
///
/// // Each frame is sent before the next one is accepted.
/// let prompt = WritePolicy { max_buffered_bytes: 1, ..WritePolicy::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WritePolicy {
    /// The bytes that the descriptors of a frame are sent with. [`Placement::Alone`] by default.
    pub placement: Placement,
    /// Number of bytes in the buffer at which the buffer counts as full. While this number or more bytes
    /// wait, no further frame is accepted. 64 KiB by default.
    pub max_buffered_bytes: usize,
    /// Number of descriptors in the buffer at which the buffer counts as full. While this number or more
    /// descriptors wait, no further frame is accepted. 256 by default.
    pub max_buffered_fds: usize,
}

impl Default for WritePolicy {
    /// Returns the [defaults](WritePolicy#defaults).
    fn default() -> WritePolicy {
        WritePolicy {
            placement: Placement::default(),
            max_buffered_bytes: 64 << 10,
            max_buffered_fds: 256,
        }
    }
}
