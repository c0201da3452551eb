//! The number of descriptors of each message of published protocols.
//!
//! The bytes of a message do not contain this number. The protocol file specifies it for each interface
//! and opcode. Only a few messages have descriptors. The [table](ALL) contains these messages of the
//! published protocols, for programs that do not read protocol files. The documentation of the table names
//! the sources of the protocol files.
//!
//! The connection of a client uses the table. A compositor or a proxy records the interface of each
//! object when a request creates the object, and implements
//! [`Signatures`](crate::Signatures) with the table.
//!
//! Record a new object before you receive the next message. Keep the record until the id is used again,
//! and not only until the object is destroyed, because events with descriptors may still arrive for it.
//!
//! # Examples
//!
//! ```
//! use std::collections::HashMap;
//!
//! use anchovy_wayland::{ObjectId, Signatures, fds};
//!
//! /// The interfaces of the objects of one client.
//! #[derive(Default)]
//! struct ObjectsOfClient(HashMap<ObjectId, String>);
//!
//! impl Signatures for ObjectsOfClient {
//!     fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
//!         // A proxy uses `fds::events` for the messages of the compositor.
//!         self.0.get(&object).map_or(0, |interface| fds::requests(interface, opcode))
//!     }
//! }
//!
//! let shm = ObjectId::new(5).expect("not 0");
//! let mut objects = ObjectsOfClient::default();
//! objects.0.insert(shm, "wl_shm".to_owned());
//! assert_eq!(objects.fds(shm, 0), 1);
//! ```

/// A message with descriptors.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::fds::{self, Kind};
///
/// let with_two: Vec<_> = fds::ALL.iter().filter(|message| message.count == 2).collect();
/// assert!(with_two.iter().any(|message| message.interface == "wp_security_context_manager_v1"
///     && message.name == "create_listener"
///     && message.kind == Kind::Request));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FdMessage {
    /// Interface of the message.
    pub interface: &'static str,
    /// Whether the message is a request or an event.
    pub kind: Kind,
    /// Number of the request or event in its interface, from 0.
    pub opcode: u16,
    /// Name of the message.
    pub name: &'static str,
    /// Number of descriptors.
    pub count: usize,
    /// First version of the interface that has this message.
    pub since: u32,
    /// Name of the protocol file, without `.xml`.
    pub protocol: &'static str,
}

/// Whether a message is a request or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A message that the client sends.
    Request,
    /// A message that the compositor sends.
    Event,
}

/// Returns the number of descriptors of a request. Returns 0 for a request that is not in the
/// [table](ALL).
///
/// # Examples
///
/// ```
/// use anchovy_wayland::fds;
///
/// assert_eq!(fds::requests("wl_shm", 0), 1);
/// assert_eq!(fds::requests("xdg_wm_base", 0), 0);
/// ```
#[inline]
pub fn requests(interface: &str, opcode: u16) -> usize {
    count(interface, Kind::Request, opcode)
}

/// Returns the number of descriptors of an event. Returns 0 for an event that is not in the [table](ALL).
///
/// # Examples
///
/// ```
/// use anchovy_wayland::fds;
///
/// assert_eq!(fds::events("wl_keyboard", 0), 1);
/// assert_eq!(fds::events("wl_keyboard", 1), 0);
/// ```
#[inline]
pub fn events(interface: &str, opcode: u16) -> usize {
    count(interface, Kind::Event, opcode)
}

/// For each kind and each length of an interface name, a bit set of the messages in the table. Every
/// received message is looked up, and the length excludes most interfaces.
const BY_LENGTH: [[u64; LONGEST_NAME + 1]; 2] = {
    let mut table = [[0; LONGEST_NAME + 1]; 2];
    let mut at = 0;
    while at < ALL.len() {
        let FdMessage { interface, kind, .. } = ALL[at];
        table[kind as usize][interface.len()] |= 1 << at;
        at += 1;
    }
    table
};

/// Length of the longest interface name in the table, in bytes.
const LONGEST_NAME: usize = 36;

#[inline]
fn count(interface: &str, kind: Kind, opcode: u16) -> usize {
    let mut candidates = BY_LENGTH[kind as usize].get(interface.len()).copied().unwrap_or(0);
    while candidates != 0 {
        let message = &ALL[candidates.trailing_zeros() as usize];
        if message.opcode == opcode && message.interface == interface {
            return message.count;
        }
        candidates &= candidates - 1;
    }
    0
}

const fn request(
    interface: &'static str,
    opcode: u16,
    name: &'static str,
    count: usize,
    since: u32,
    protocol: &'static str,
) -> FdMessage {
    FdMessage { interface, kind: Kind::Request, opcode, name, count, since, protocol }
}

const fn event(
    interface: &'static str,
    opcode: u16,
    name: &'static str,
    count: usize,
    since: u32,
    protocol: &'static str,
) -> FdMessage {
    FdMessage { interface, kind: Kind::Event, opcode, name, count, since, protocol }
}

/// All messages with descriptors, sorted by interface, kind and opcode.
///
/// The protocol files are those of Wayland itself, wayland-protocols 1.44, wlr-protocols,
/// plasma-wayland-protocols, Hyprland, river, weston (`weston-debug`), Mesa (`wayland-drm`) and GTK
/// (`gtk-primary-selection`). Later versions of an interface may add messages, and do not change the messages
/// of earlier versions. An unpublished interface with the same name may have other messages.
#[rustfmt::skip]
pub const ALL: &[FdMessage] = &[
    request("ext_data_control_offer_v1", 0, "receive", 1, 1, "ext-data-control-v1"),
    event("ext_data_control_source_v1", 0, "send", 1, 1, "ext-data-control-v1"),
    request("gtk_primary_selection_offer", 0, "receive", 1, 1, "gtk-primary-selection"),
    event("gtk_primary_selection_source", 0, "send", 1, 1, "gtk-primary-selection"),
    event("hyprland_input_capture_v1", 0, "eis_fd", 1, 1, "hyprland-input-capture-v1"),
    event("org_kde_kwin_remote_buffer", 0, "gbm_handle", 1, 1, "remote-access"),
    request("org_kde_plasma_window", 8, "get_icon", 1, 7, "plasma-window-management"),
    request("river_xkb_config_v1", 2, "create_keymap", 1, 1, "river-xkb-config-v1"),
    request("weston_debug_v1", 1, "subscribe", 1, 1, "weston-debug"),
    request("wl_data_offer", 1, "receive", 1, 1, "wayland"),
    event("wl_data_source", 1, "send", 1, 1, "wayland"),
    request("wl_drm", 3, "create_prime_buffer", 1, 2, "wayland-drm"),
    event("wl_keyboard", 0, "keymap", 1, 1, "wayland"),
    request("wl_shm", 0, "create_pool", 1, 1, "wayland"),
    event("wp_drm_lease_device_v1", 0, "drm_fd", 1, 1, "drm-lease-v1"),
    event("wp_drm_lease_v1", 0, "lease_fd", 1, 1, "drm-lease-v1"),
    request("wp_image_description_creator_icc_v1", 1, "set_icc_file", 1, 1, "color-management-v1"),
    event("wp_image_description_info_v1", 1, "icc_file", 1, 1, "color-management-v1"),
    request("wp_linux_drm_syncobj_manager_v1", 2, "import_timeline", 1, 1, "linux-drm-syncobj-v1"),
    request("wp_security_context_manager_v1", 1, "create_listener", 2, 1, "security-context-v1"),
    request("zwlr_data_control_offer_v1", 0, "receive", 1, 1, "wlr-data-control-unstable-v1"),
    event("zwlr_data_control_source_v1", 0, "send", 1, 1, "wlr-data-control-unstable-v1"),
    event("zwlr_export_dmabuf_frame_v1", 1, "object", 1, 1, "wlr-export-dmabuf-unstable-v1"),
    request("zwlr_gamma_control_v1", 0, "set_gamma", 1, 1, "wlr-gamma-control-unstable-v1"),
    event("zwp_input_method_keyboard_grab_v2", 0, "keymap", 1, 1, "input-method-unstable-v2"),
    request("zwp_linux_buffer_params_v1", 1, "add", 1, 1, "linux-dmabuf-v1"),
    event("zwp_linux_buffer_release_v1", 0, "fenced_release", 1, 1, "linux-explicit-synchronization-unstable-v1"),
    event("zwp_linux_dmabuf_feedback_v1", 1, "format_table", 1, 1, "linux-dmabuf-v1"),
    request("zwp_linux_surface_synchronization_v1", 1, "set_acquire_fence", 1, 1, "linux-explicit-synchronization-unstable-v1"),
    request("zwp_primary_selection_offer_v1", 0, "receive", 1, 1, "primary-selection-unstable-v1"),
    event("zwp_primary_selection_source_v1", 0, "send", 1, 1, "primary-selection-unstable-v1"),
    request("zwp_virtual_keyboard_v1", 0, "keymap", 1, 1, "virtual-keyboard-unstable-v1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_duplicates() {
        let key = |message: &FdMessage| (message.interface, message.kind, message.opcode);
        assert!(ALL.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    }

    #[test]
    fn each_message_of_the_table_is_found_by_its_kind_only() {
        for message in ALL {
            let FdMessage { interface, kind, opcode, count, .. } = *message;
            let (found, other) = match kind {
                Kind::Request => (requests(interface, opcode), Kind::Event),
                Kind::Event => (events(interface, opcode), Kind::Request),
            };
            assert_eq!(found, count, "{message:?}");
            let twin = ALL
                .iter()
                .any(|twin| (twin.interface, twin.kind, twin.opcode) == (interface, other, opcode));
            assert_eq!(super::count(interface, other, opcode) > 0, twin, "{message:?}");
        }
    }

    #[test]
    fn a_message_that_is_not_in_the_table_has_no_descriptors() {
        assert_eq!(requests("wl_shm", 1), 0);
        assert_eq!(requests("wl_sh", 0), 0);
        assert_eq!(requests("", 0), 0);
        assert_eq!(events("zzz", u16::MAX), 0);
    }

    #[test]
    fn no_message_has_more_descriptors_than_one_sendmsg_carries() {
        assert!(ALL.iter().all(|message| (1..=anchovy::WAYLAND_FD_LIMIT).contains(&message.count)));
    }
}
