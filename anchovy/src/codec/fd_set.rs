//! A descriptor set and its range of bytes.

use std::ops::Range;
use std::os::fd::OwnedFd;

use tokio::time::Instant;

use crate::error::truncation::Truncation;

/// Descriptors, and the range of the bytes that they arrived with or are sent with.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::{FdSet, Framed, FramedParts};
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, _far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// let null = std::fs::File::open("/dev/null")?;
/// let mut parts = FramedParts::new(near, Lines);
/// parts.read_buffer.extend_from_slice(b"0nothing\n1a file\n");
/// parts.read_sets.push(FdSet::new(9..17, vec![null.into()]));
///
/// let mut framed = Framed::from_parts(parts);
/// assert_eq!(framed.next().await.expect("a line")?.1.len(), 0);
/// assert_eq!(framed.next().await.expect("a line")?.1.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct FdSet {
    /// Range of bytes in a buffer of [`FramedParts`](super::FramedParts), counted from the start of the
    /// buffer. Sets are in order, and their ranges do not overlap.
    ///
    /// For received descriptors, this is the range of the bytes that one `recvmsg` returned. With
    /// [`Attribution::LastByte`](super::Attribution::LastByte), only the last byte of the range matters. For
    /// descriptors that are sent, this is the range of their frame.
    pub range: Range<usize>,
    /// The descriptors, in order.
    pub fds: Vec<OwnedFd>,
    /// The cause, if the kernel truncated the set when it was received. There are no descriptors then.
    pub truncated: Option<Truncation>,
    /// Whether the set may belong to a discarded frame. Then only the whole set can be taken for a later
    /// frame.
    pub(super) given_up: bool,
    /// Time of arrival, if there is a deadline.
    pub(super) arrived: Option<Instant>,
}

impl FdSet {
    /// Creates a set of descriptors that arrived with these bytes, or are sent with them.
    pub fn new(range: Range<usize>, fds: Vec<OwnedFd>) -> FdSet {
        FdSet { range, fds, truncated: None, given_up: false, arrived: None }
    }
}
