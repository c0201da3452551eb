//! Whose descriptors are whose.
//!
//! The kernel says with which `recvmsg` a set came, and that the last of its bytes belongs to the
//! `sendmsg` that the set left with; where that began, it does not say. So what is known of a set
//! is a range of stream bytes, and an item can have sent it only if it overlaps that range. Each
//! item takes as many as it declares, in order; what is left of a set when its range is decoded
//! belongs to nobody, and would be the next item's if it were not stopped here.
//!
//! No socket, no clock: bytes, descriptors and the time come in, items and a deadline come out.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::policy::{Attribution, ReadPolicy, Unclaimed};
use super::receive_error::ReceiveError;
use super::take_error::TakeFdsError;
use super::traits::Decoder;
use crate::error::truncation::Truncation;

/// Bytes that have arrived and are not decoded, and the sets that came with them.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) bytes: BytesMut,
    /// Where in the stream `bytes` begins.
    position: u64,
    /// Where in the stream the item begins that is being decoded.
    item: u64,
    /// The descriptors of all sets, in order.
    fds: VecDeque<OwnedFd>,
    sets: VecDeque<Set>,
    /// Descriptors that nothing claimed, and that were closed.
    closed: u64,
}

/// One set: the range of the stream that its `recvmsg` returned, and how many of it wait.
#[derive(Debug)]
pub(crate) struct Set {
    start: u64,
    end: u64,
    fds: usize,
    truncated: Option<Truncation>,
    /// When it arrived, if there is a deadline.
    arrived: Option<Instant>,
}

impl Inbound {
    /// Notes that the last `count` of the bytes have just arrived with these descriptors.
    pub(crate) fn received(
        &mut self,
        count: usize,
        fds: impl Iterator<Item = OwnedFd>,
        truncated: Option<Truncation>,
        now: Option<Instant>,
    ) {
        let before = self.fds.len();
        fds.for_each(|fd| self.fds.push_back(fd));
        let fds = self.fds.len() - before;
        if fds > 0 || truncated.is_some() {
            let end = self.position + self.bytes.len() as u64;
            let start = end - count as u64;
            self.sets.push_back(Set { start, end, fds, truncated, arrived: now });
        }
    }

    /// Decodes one item, if one is there whole.
    #[inline]
    pub(crate) fn decode<D: Decoder>(
        &mut self,
        decoder: &mut D,
        policy: &ReadPolicy,
        at_end: bool,
    ) -> Result<Option<D::Item>, ReceiveError<D::Error>> {
        let before = self.bytes.len();
        let mut fds = ReceivedFds {
            position: self.position,
            attribution: policy.attribution,
            fds: &mut self.fds,
            sets: &mut self.sets,
        };
        let item = if at_end {
            decoder.decode_eof(&mut self.bytes, &mut fds)?
        } else {
            decoder.decode(&mut self.bytes, &mut fds)?
        };
        self.position += before.saturating_sub(self.bytes.len()) as u64;
        if item.is_some() {
            self.item = self.position;
            self.release_decoded(policy)?;
        }
        Ok(item)
    }

    /// Lets go of the sets whose range is decoded.
    #[inline]
    fn release_decoded<E>(&mut self, policy: &ReadPolicy) -> Result<(), ReceiveError<E>> {
        while let Some(set) = self.sets.front() {
            if set.end > self.item || (set.fds > 0 && policy.attribution == Attribution::Fifo) {
                break;
            }
            let count = set.fds;
            self.sets.pop_front();
            self.close_unclaimed(count, policy)?;
        }
        Ok(())
    }

    /// Closes descriptors that no frame claimed.
    #[inline]
    fn close_unclaimed<E>(
        &mut self,
        count: usize,
        policy: &ReadPolicy,
    ) -> Result<(), ReceiveError<E>> {
        take(&mut self.fds, count).for_each(drop);
        match policy.unclaimed {
            Unclaimed::Error if count > 0 => Err(ReceiveError::UnclaimedFds { count }),
            _ => {
                self.closed += count as u64;
                Ok(())
            }
        }
    }

    /// Nothing more will arrive, and no item is left: nobody will claim what waits.
    pub(crate) fn finish<E>(&mut self, policy: &ReadPolicy) -> Result<(), ReceiveError<E>> {
        self.sets.clear();
        self.close_unclaimed(self.fds.len(), policy)
    }

    /// Checks that the limits allow another read of at most `fd_limit` descriptors.
    pub(crate) fn admit<E>(
        &self,
        fd_limit: usize,
        policy: &ReadPolicy,
    ) -> Result<(), ReceiveError<E>> {
        let cut = self.sets.iter().filter(|set| set.truncated.is_some()).count();
        let (waiting, length) = (self.fds.len() + cut, self.bytes.len());
        let limit = policy.max_waiting_fds.saturating_sub(fd_limit);
        if waiting > limit {
            return Err(ReceiveError::TooManyWaitingFds { waiting, limit });
        }
        if length >= policy.max_frame_bytes {
            return Err(ReceiveError::FrameTooLong { length, limit: policy.max_frame_bytes });
        }
        Ok(())
    }

    /// Until when the rest of an item has to have arrived, for the sets that wait for it.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        let waiting = self.sets.iter().find(|set| set.fds > 0)?;
        waiting.arrived?.checked_add(timeout)
    }

    /// Descriptors that wait for their items.
    pub(crate) fn waiting(&self) -> usize {
        self.fds.len()
    }

    /// Descriptors that nothing claimed, and that were closed.
    pub(crate) fn closed(&self) -> u64 {
        self.closed
    }

    /// Forgets and closes all that waits.
    pub(crate) fn clear(&mut self) {
        let closed = self.closed;
        *self = Inbound { closed, ..Inbound::default() };
    }

    /// Takes over what somebody else has received, with ranges that count from its first byte.
    pub(crate) fn from_parts(bytes: BytesMut, sets: Vec<FdSet>, now: Option<Instant>) -> Inbound {
        let length = bytes.len();
        let mut inbound = Inbound { bytes, ..Inbound::default() };
        let mut before = 0;
        for FdSet { range, fds, truncated } in sets {
            // In order, and within the bytes: otherwise one would wait for ever, and others for it.
            let start = range.start.clamp(before, length);
            let end = range.end.clamp(start, length);
            before = end;
            inbound.sets.push_back(Set {
                start: start as u64,
                end: end as u64,
                fds: fds.len(),
                truncated,
                arrived: now,
            });
            inbound.fds.extend(fds);
        }
        inbound
    }

    /// Hands over all that waits, with ranges that count from the first byte.
    ///
    /// A set that came with bytes which are decoded already begins with the first that is not.
    pub(crate) fn into_parts(mut self) -> (BytesMut, Vec<FdSet>) {
        let position = self.position;
        let relative = |offset: u64| offset.saturating_sub(position) as usize;
        let sets = self
            .sets
            .iter()
            .filter(|set| set.fds > 0 || set.truncated.is_some())
            .map(|set| FdSet {
                range: relative(set.start)..relative(set.end),
                fds: take(&mut self.fds, set.fds).collect(),
                truncated: set.truncated,
            })
            .collect();
        (self.bytes, sets)
    }
}

/// Descriptors, and the bytes that they came with or leave with.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::{FdSet, Framed, FramedParts};
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::StreamExt;
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
    /// Which bytes of the buffer beside it; sets are in order, and do not overlap.
    ///
    /// Of received ones, those that one `recvmsg` returned; of ones to be sent, those of their item.
    pub range: std::ops::Range<usize>,
    /// The descriptors, in order.
    pub fds: Vec<OwnedFd>,
    /// Why the kernel cut the set when it was received, if it did; there are no descriptors then.
    pub truncated: Option<Truncation>,
}

impl FdSet {
    /// Descriptors that came with these bytes, or leave with them.
    pub fn new(range: std::ops::Range<usize>, fds: Vec<OwnedFd>) -> FdSet {
        FdSet { range, fds, truncated: None }
    }
}

/// The descriptors that have arrived, as a [`Decoder`] sees them.
///
/// ```
/// # use std::os::fd::OwnedFd;
/// use anchovy::codec::{ReceivedFds, TakeFdsError};
///
/// /// Takes the descriptors of a frame of `length` bytes that declares `count` of them.
/// fn declared(
///     fds: &mut ReceivedFds<'_>,
///     length: usize,
///     count: usize,
/// ) -> Result<Vec<OwnedFd>, TakeFdsError> {
///     // The kernel cut a set, and `ReadPolicy::survive_truncation` is on: go without.
///     if fds.truncation(length).is_some() {
///         return Ok(Vec::new());
///     }
///     Ok(fds.take(length, count)?.collect())
/// }
/// ```
#[derive(Debug)]
pub struct ReceivedFds<'a> {
    /// Where in the stream the decoder's bytes begin.
    position: u64,
    attribution: Attribution,
    fds: &'a mut VecDeque<OwnedFd>,
    sets: &'a mut VecDeque<Set>,
}

impl ReceivedFds<'_> {
    /// How many descriptors an item of the next `length` bytes can claim.
    #[inline]
    pub fn available(&self, length: usize) -> usize {
        self.sets_of(length).map(|set| set.fds).sum()
    }

    /// Claims `count` descriptors for an item of the next `length` bytes, the oldest first.
    ///
    /// # Errors
    ///
    /// [`TakeFdsError::Missing`] if there are not as many, and [`TakeFdsError::Truncated`] if a set
    /// among them was truncated, because the others may then belong to the next frame. None is
    /// claimed. All bytes of the frame have arrived, so nothing is gained by waiting.
    #[inline]
    pub fn take(
        &mut self,
        length: usize,
        count: usize,
    ) -> Result<impl ExactSizeIterator<Item = OwnedFd>, TakeFdsError> {
        if count == 0 {
            return Ok(take(self.fds, 0));
        }
        if let Some(cause) = self.truncation(length) {
            return Err(TakeFdsError::Truncated { cause });
        }
        let available = self.available(length);
        if available < count {
            return Err(TakeFdsError::Missing { declared: count, available });
        }
        claim(self.sets.iter_mut().map(|set| &mut set.fds), count);
        Ok(take(self.fds, count))
    }

    /// Why the kernel cut a set that came with the next `length` bytes, if it did.
    ///
    /// It is told only where [`ReadPolicy::survive_truncation`] is set; otherwise that ends the
    /// stream of items. An item that can go without its descriptors is to be marked so by its
    /// decoder; none of that set will come.
    #[inline]
    pub fn truncation(&self, length: usize) -> Option<Truncation> {
        let end = self.position.saturating_add(length as u64);
        self.sets.iter().take_while(|set| set.start < end).find_map(|set| set.truncated)
    }

    /// The sets that an item of the next `length` bytes can claim from. Those before it are gone.
    #[inline]
    fn sets_of(&self, length: usize) -> impl Iterator<Item = &Set> {
        let end = match self.attribution {
            Attribution::Range => self.position.saturating_add(length as u64),
            Attribution::Fifo => u64::MAX,
        };
        self.sets.iter().take_while(move |set| set.start < end)
    }
}

/// Takes so many descriptors off the front; those that are not asked for are closed.
#[inline]
pub(super) fn take(fds: &mut VecDeque<OwnedFd>, count: usize) -> Taken<'_> {
    Taken { left: count.min(fds.len()), fds }
}

/// What [`take`] returns; a `Drain` does more than a few descriptors are worth.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    fds: &'a mut VecDeque<OwnedFd>,
    left: usize,
}

impl Iterator for Taken<'_> {
    type Item = OwnedFd;

    #[inline]
    fn next(&mut self) -> Option<OwnedFd> {
        self.left = self.left.checked_sub(1)?;
        self.fds.pop_front()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Taken<'_> {}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// Takes so many off the first of these counts.
#[inline]
pub(super) fn claim<'a>(counts: impl Iterator<Item = &'a mut usize>, mut left: usize) {
    for count in counts {
        if left == 0 {
            return;
        }
        let taken = left.min(*count);
        *count -= taken;
        left -= taken;
    }
}
