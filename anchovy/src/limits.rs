//! Limits of D-Bus and Wayland, and the ancillary space for them.

use rustix::cmsg_space;

use crate::space::SCM_MAX_FD;

/// Maximum number of descriptors in one D-Bus message: 253.
///
/// The D-Bus specification defines no number. Linux carries at most 253 descriptors in one
/// `sendmsg` (`SCM_MAX_FD`), and a D-Bus message sends all of its descriptors in one `sendmsg`.
pub const DBUS_FD_LIMIT: usize = SCM_MAX_FD;

/// `S` of a stream for D-Bus: the ancillary space, in bytes, for [`DBUS_FD_LIMIT`] descriptors.
pub const DBUS_SCM_RIGHTS: usize = cmsg_space!(ScmRights(DBUS_FD_LIMIT));

/// Maximum number of descriptors in one `sendmsg` between Wayland peers: 28.
///
/// The Wayland protocol defines no number. This is the number of its reference implementation
/// (`MAX_FDS_OUT` in connection.c of libwayland), which never sends more and, in many versions,
/// does not receive more.
pub const WAYLAND_FD_LIMIT: usize = 28;

/// `S` of a stream for Wayland: the ancillary space, in bytes, for [`WAYLAND_FD_LIMIT`]
/// descriptors.
pub const WAYLAND_SCM_RIGHTS: usize = cmsg_space!(ScmRights(WAYLAND_FD_LIMIT));
