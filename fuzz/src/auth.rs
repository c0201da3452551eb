//! What both targets of the handshake share: limits, and the cuts of a stream into receives.

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;

use anchovy_dbus::HandshakeLimits;

use crate::input::Input;

/// What one receive returns: bytes, and a number of descriptors.
pub(crate) type Received<'a> = (&'a [u8], usize);

/// The end of a handshake.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// More lines are needed.
    Open,
    Begun,
    Failed(String),
}

/// The course of a handshake.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    pub(crate) output: Vec<u8>,
    pub(crate) events: Vec<String>,
    pub(crate) end: End,
    pub(crate) unix_fds: bool,
    /// Bytes after the handshake.
    pub(crate) rest: Vec<u8>,
    /// Descriptor sets after the handshake: ranges and numbers.
    pub(crate) sets: Vec<(Range<usize>, usize)>,
}

/// Reads limits that are soon reached, or the default ones.
pub(crate) fn limits(input: &mut Input<'_>) -> HandshakeLimits {
    if input.byte().is_multiple_of(2) {
        return HandshakeLimits::default();
    }
    HandshakeLimits {
        max_line_bytes: input.below(64),
        max_bytes: input.below(200),
        max_rejects: input.below(5),
        max_errors: input.below(5),
        ..HandshakeLimits::default()
    }
}

/// Reads the sizes and descriptors of receives.
pub(crate) fn cuts(input: &mut Input<'_>) -> Vec<(usize, usize)> {
    let count = input.below(12);
    (0..count)
        .map(|_| {
            let cut = input.byte();
            // One in four has descriptors.
            let fds = if cut >> 6 == 3 { 1 + usize::from(cut >> 5 & 1) } else { 0 };
            (1 + usize::from(cut & 0x1f), fds)
        })
        .collect()
}

/// Cuts the bytes. All bytes after the last cut come at once.
pub(crate) fn cut<'a>(bytes: &'a [u8], cuts: &[(usize, usize)]) -> Vec<Received<'a>> {
    let (mut rest, mut received) = (bytes, Vec::new());
    for (length, fds) in cuts {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*length).min(rest.len()));
        received.push((piece, *fds));
        rest = later;
    }
    if !rest.is_empty() {
        received.push((rest, 0));
    }
    received
}

pub(crate) fn fds(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| File::open("/dev/null").expect("a null device").into()).collect()
}

/// Checks that the output consists of whole lines of printable ASCII, and returns them.
pub(crate) fn lines(output: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(output).expect("ASCII");
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
    let lines: Vec<_> = text.split_terminator("\r\n").collect();
    for line in &lines {
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        assert!(line.starts_with(|first: char| first.is_ascii_uppercase()), "{line:?}");
    }
    lines
}

/// Checks the course with the receives in pieces against the one with all bytes in one receive and
/// without descriptors.
pub(crate) fn check_cut(whole: &Course, cut: &Course, received: &[Received<'_>], total: usize) {
    let mut start = 0;
    let mut sets: Vec<(Range<usize>, usize)> = Vec::new();
    for (bytes, fds) in received {
        if *fds > 0 {
            sets.push((start..start + bytes.len(), *fds));
        }
        start += bytes.len();
    }
    if sets.is_empty() {
        let mut cut = cut.clone();
        if matches!(whole.end, End::Failed(_)) {
            // A state machine that failed keeps nothing.
            cut.rest.clear();
        }
        assert_eq!(cut, *whole);
        return;
    }
    if whole.end != End::Begun {
        assert!(matches!(cut.end, End::Failed(_)), "{whole:?} {cut:?}");
        return;
    }
    let handshake = total - whole.rest.len();
    let is_early = sets.iter().any(|(range, _)| range.end <= handshake);
    if is_early || !whole.unix_fds {
        let is_refused = matches!(&cut.end, End::Failed(error) if error.starts_with("Descriptors"));
        assert!(is_refused, "{cut:?}");
        return;
    }
    let relative = |offset: usize| offset.saturating_sub(handshake);
    let expected: Vec<_> = sets
        .into_iter()
        .map(|(range, fds)| (relative(range.start)..relative(range.end), fds))
        .collect();
    assert_eq!(*cut, Course { sets: expected, ..whole.clone() });
}
