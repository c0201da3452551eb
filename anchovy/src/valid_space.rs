//! Compile-time check of `S` at the call site.

use rustix::cmsg_space;

use crate::space::SCM_MAX_FD;

/// A type for the `S` of an [`AnchovyStream`](crate::AnchovyStream), used in the bound
/// [`ValidSpace`].
#[derive(Clone, Copy, Debug)]
pub struct AncillarySpace<const S: usize>;

/// A valid `S` of a stream: the size, in bytes, of a control buffer for a number of descriptors.
///
/// [`AncillarySpace`] implements this trait for each value of
/// [`cmsg_space!(ScmRights(N))`](crate::cmsg_space) with N from 1 to 253. The functions with which
/// a program first names `S` have this bound: `new`, `builder`, `connect`, `pair` and `from_parts`
/// of a stream, and `bind`, `builder`, `from_std`, `from_tokio` and `from_fd` of a listener. So an
/// invalid `S` is a compile error at the line that uses it. Generic code needs the bound only if it
/// calls one of these functions. Methods that take `self` do not have the bound.
///
/// This trait is sealed.
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyStream, AncillarySpace, ValidSpace};
///
/// fn pair<const S: usize>() -> std::io::Result<[AnchovyStream<S>; 2]>
/// where
///     AncillarySpace<S>: ValidSpace,
/// {
///     AnchovyStream::pair().map(|(left, right)| [left, right])
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the ancillary space, in bytes, of any number of descriptors",
    label = "`S` is a size in bytes, not a number of descriptors",
    note = "use `DBUS_SCM_RIGHTS` (253 descriptors), `WAYLAND_SCM_RIGHTS` (28 descriptors) or \
            `{{ anchovy::cmsg_space!(ScmRights(N)) }}` for N descriptors, with N from 1 to 253",
    note = "a function that constructs streams of any `S` needs \
            `where anchovy::AncillarySpace<S>: anchovy::ValidSpace`"
)]
pub trait ValidSpace: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

/// Returns the space for this number of descriptors if no larger number has the same space.
///
/// Padding makes the spaces for some neighboring numbers equal, depending on the target, but a
/// trait can be implemented only once for a type. So the smaller number gets a size that cannot
/// exist in memory.
const fn distinct_space(fds: usize) -> usize {
    let space = cmsg_space!(ScmRights(fds));
    if fds < SCM_MAX_FD && space == cmsg_space!(ScmRights(fds + 1)) {
        return usize::MAX - fds;
    }
    space
}

macro_rules! valid_spaces {
    ($($fds:literal),* $(,)?) => {
        $(
            impl sealed::Sealed for AncillarySpace<{ distinct_space($fds) }> {}

            // Keeps the compiler from listing some implementations after the notes.
            #[doc(hidden)]
            #[diagnostic::do_not_recommend]
            impl ValidSpace for AncillarySpace<{ distinct_space($fds) }> {}
        )*

        #[cfg(test)]
        const LISTED: &[usize] = &[$($fds),*];
    };
}

valid_spaces![
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
    51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
    75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98,
    99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117,
    118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136,
    137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155,
    156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174,
    175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193,
    194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212,
    213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231,
    232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250,
    251, 252, 253
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;

    #[test]
    fn every_number_of_descriptors_is_listed() {
        assert!(LISTED.iter().copied().eq(1..=SCM_MAX_FD));
    }

    #[test]
    fn each_space_stands_for_the_largest_number_of_descriptors() {
        for fds in 1..=SCM_MAX_FD {
            let space = cmsg_space!(ScmRights(fds));
            let owners = LISTED.iter().filter(|&&listed| distinct_space(listed) == space);
            assert_eq!(owners.collect::<Vec<_>>(), [&Space::from_bytes(space).fds()]);
        }
    }
}
