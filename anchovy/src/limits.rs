//! The limits of the protocols that use this crate most, and their sizes of ancillary space.

use rustix::cmsg_space;

use crate::space::SCM_MAX_FD;

/// The most descriptors in one D-Bus message: 253.
///
/// The D-Bus specification names no number. This is the most that Linux carries in one
/// `sendmsg` (`SCM_MAX_FD`), and a D-Bus message has its descriptors in one.
pub const DBUS_FD_LIMIT: usize = SCM_MAX_FD;

/// `S` of a stream for D-Bus: the ancillary space, in bytes, of [`DBUS_FD_LIMIT`] descriptors.
pub const DBUS_SCM_RIGHTS: usize = cmsg_space!(ScmRights(DBUS_FD_LIMIT));

/// The most descriptors in one `sendmsg` between Wayland peers: 28.
///
/// The Wayland protocol names no number. This is the one of its reference implementation
/// (`MAX_FDS_OUT` in libwayland's connection.c), which never sends more and, in many versions,
/// does not receive more.
pub const WAYLAND_FD_LIMIT: usize = 28;

/// `S` of a stream for Wayland: the ancillary space, in bytes, of [`WAYLAND_FD_LIMIT`] descriptors.
pub const WAYLAND_SCM_RIGHTS: usize = cmsg_space!(ScmRights(WAYLAND_FD_LIMIT));
