//! Limits of D-Bus and Wayland, and the values of `S` for them.

use rustix::cmsg_space;

use crate::space::SCM_MAX_FD;

/// Maximum number of descriptors in one D-Bus message: 253.
///
/// The D-Bus specification defines no number. Implementations send all descriptors of a D-Bus
/// message with one `sendmsg`, and Linux allows at most 253 descriptors in one `sendmsg`
/// (`SCM_MAX_FD`).
pub const DBUS_FD_LIMIT: usize = SCM_MAX_FD;

/// `S` of a stream for D-Bus: the size, in bytes, of a control buffer for [`DBUS_FD_LIMIT`]
/// descriptors.
pub const DBUS_SCM_RIGHTS: usize = cmsg_space!(ScmRights(DBUS_FD_LIMIT));

/// Maximum number of descriptors in one `sendmsg` between Wayland peers: 28.
///
/// The Wayland protocol defines no number. libwayland, its reference implementation, sends at most
/// 28 descriptors with one `sendmsg` (`MAX_FDS_OUT` in connection.c). Many versions of libwayland
/// also receive at most 28 with one `recvmsg`.
pub const WAYLAND_FD_LIMIT: usize = 28;

/// `S` of a stream for Wayland: the size, in bytes, of a control buffer for [`WAYLAND_FD_LIMIT`]
/// descriptors.
pub const WAYLAND_SCM_RIGHTS: usize = cmsg_space!(ScmRights(WAYLAND_FD_LIMIT));
