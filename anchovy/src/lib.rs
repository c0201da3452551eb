#![doc = include_str!("../README.md")]

#[macro_use]
mod face;

mod builder;
mod error;
mod receive;
mod send;
mod socket;
mod space;
mod split;
mod stream;
mod sys;

pub use builder::Builder;
pub use error::{FdError, Truncation};
pub use receive::Received;
/// The ancillary space, in bytes, for a number of descriptors: what `S` of an
/// [`AnchovyStream`] is. The same as [`rustix::cmsg_space!`].
///
/// ```
/// use anchovy::{AnchovyStream, cmsg_space};
///
/// type Stream = AnchovyStream<{ cmsg_space!(ScmRights(4)) }>;
/// assert_eq!(Stream::FD_LIMIT, 4);
/// ```
pub use rustix::cmsg_space;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::{AnchovyStream, IntoUnixStream, Parts};

/// The most descriptors in one D-Bus message: 253.
///
/// The D-Bus specification names no number. This is the most that Linux carries in one
/// `sendmsg` (`SCM_MAX_FD`), and a D-Bus message has its descriptors in one.
pub const DBUS_FD_LIMIT: usize = space::SCM_MAX_FD;

/// `S` of a stream for D-Bus: the ancillary space, in bytes, of [`DBUS_FD_LIMIT`] descriptors.
pub const DBUS_SCM_RIGHTS: usize = rustix::cmsg_space!(ScmRights(DBUS_FD_LIMIT));

/// The most descriptors in one `sendmsg` between Wayland peers: 28.
///
/// The Wayland protocol names no number. This is the one of its reference implementation
/// (`MAX_FDS_OUT` in libwayland's connection.c), which never sends more and, in many versions,
/// does not receive more.
pub const WAYLAND_FD_LIMIT: usize = 28;

/// `S` of a stream for Wayland: the ancillary space, in bytes, of [`WAYLAND_FD_LIMIT`] descriptors.
pub const WAYLAND_SCM_RIGHTS: usize = rustix::cmsg_space!(ScmRights(WAYLAND_FD_LIMIT));
