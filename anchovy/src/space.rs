//! Conversion of a size of ancillary space to a number of descriptors.

/// Maximum number of descriptors in one message on Linux (`SCM_MAX_FD`, include/net/scm.h).
pub(crate) const SCM_MAX_FD: usize = 253;

/// `S` of a stream, and the number of descriptors for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    // Each connection has two of these, and no value is above 1040.
    bytes: u16,
    fds: u16,
}

impl Space {
    /// Panics if `bytes` is not the space for any number of descriptors.
    ///
    /// Padding makes the spaces for some neighboring numbers equal. The result is the largest of
    /// them.
    pub(crate) const fn from_bytes(bytes: usize) -> Space {
        let mut fds = SCM_MAX_FD;
        while fds > 0 {
            if rustix::cmsg_space!(ScmRights(fds)) == bytes {
                return Space { bytes: bytes as u16, fds: fds as u16 };
            }
            fds -= 1;
        }
        panic!(
            "S of AnchovyStream<S> is no count of descriptors but their ancillary space in bytes: \
             use anchovy::cmsg_space!(ScmRights(N)) with N from 1 to 253, or one of the constants \
             DBUS_SCM_RIGHTS and WAYLAND_SCM_RIGHTS"
        )
    }

    /// Returns `S`: the ancillary space in bytes.
    pub(crate) const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// Returns the number of descriptors that it has room for.
    pub(crate) const fn fds(self) -> usize {
        self.fds as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_for_a_count_has_room_for_at_least_that_count() {
        for count in 1..=SCM_MAX_FD {
            let limit = Space::from_bytes(rustix::cmsg_space!(ScmRights(count))).fds();
            assert!(limit >= count, "{count} descriptors became {limit}");
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn padding_makes_an_odd_count_and_the_next_one_equal() {
        assert_eq!(Space::from_bytes(rustix::cmsg_space!(ScmRights(27))).fds(), 28);
        assert_eq!(Space::from_bytes(rustix::cmsg_space!(ScmRights(28))).fds(), 28);
        assert_eq!(Space::from_bytes(136).fds(), 28);
        assert_eq!(Space::from_bytes(1040).fds(), 253);
    }

    #[test]
    #[should_panic(expected = "anchovy::cmsg_space!(ScmRights(N))")]
    fn a_count_instead_of_a_space_is_refused() {
        Space::from_bytes(28);
    }
}
