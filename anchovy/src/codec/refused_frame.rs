//! A frame whose descriptors the kernel refused.

use std::os::fd::OwnedFd;

use bytes::Bytes;

/// The bytes and descriptors of a frame whose descriptors the kernel refused. None of them was sent.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::{Framed, SendErrorKind};
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// if far.set_fd_passing(false).is_ok() {
///     let (mut near, mut far) = (Framed::new(near, Lines), Framed::new(far, Lines));
///     let null = std::fs::File::open("/dev/null")?;
///     let failed = near.send(("a file".to_owned(), vec![null.into()])).await.unwrap_err();
///     assert!(matches!(failed.kind, SendErrorKind::FdsRefusedByPeer { count: 1 }));
///
///     let refused = near.take_refused().expect("the frame");
///     assert_eq!((&refused.bytes[..], refused.fds.len()), (&b"1a file\n"[..], 1));
///     near.send(("no file, then".to_owned(), vec![])).await?;
///     assert_eq!(far.next().await.expect("a line")?.0, "no file, then");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RefusedFrame {
    /// The bytes of the frame.
    pub bytes: Bytes,
    /// The descriptors of the frame.
    pub fds: Vec<OwnedFd>,
}
