//! The received descriptors, as a decoder sees them.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use tokio::time::Instant;

use super::fd_queue::{TakenFds, claim, take};
use super::policy::Attribution;
use super::take_fds_error::TakeFdsError;
use crate::budget::Charge;
use crate::error::truncation::Truncation;
use crate::held_fds::HeldFds;

/// The descriptors that have arrived, as a [`Decoder`](super::Decoder) sees them.
///
/// The parameter `length` of the methods is the length of a frame in bytes. The frame begins at the first
/// byte of the buffer that was passed to [`decode`](super::Decoder::decode). Call the methods before you
/// remove the frame from the buffer. A *descriptor set* is the descriptors that one read returned, and its
/// *range* is the bytes that this read returned; see the [module](super#which-bytes-carry-the-descriptors).
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
///     // The kernel truncated a set, and `ReadPolicy::survive_truncation` is set.
///     if fds.truncation(length).is_some() {
///         return Ok(Vec::new());
///     }
///     Ok(fds.take(length, count)?.into_vec())
/// }
/// ```
#[derive(Debug)]
pub struct ReceivedFds<'a> {
    /// Position in the stream of the first byte that the decoder has.
    pub(super) position: u64,
    pub(super) attribution: Attribution,
    pub(super) fds: &'a mut VecDeque<OwnedFd>,
    pub(super) sets: &'a mut VecDeque<ReceivedSet>,
    /// The charge for the descriptors, if the peer has an account.
    pub(super) held: &'a mut Option<Box<HeldFds>>,
    /// Number of descriptors that were taken and are still charged.
    pub(super) claimed: usize,
    /// Number of descriptors that were not taken and that were closed, over the life of the stream.
    pub(super) closed: &'a mut u64,
}

impl ReceivedFds<'_> {
    /// Returns the number of descriptors that are available to a frame of `length` bytes.
    ///
    /// With [`Attribution::Range`](super::Attribution::Range) and
    /// [`Attribution::LastByte`](super::Attribution::LastByte), the number is final once all bytes of the
    /// frame have arrived; with `LastByte`, it is then the number of descriptors of the frame. With
    /// [`Attribution::Fifo`](super::Attribution::Fifo), it is the number of all descriptors that wait.
    #[inline]
    pub fn available(&self, length: usize) -> usize {
        self.sets_of(length).map(|set| set.fds).sum()
    }

    /// Takes `count` descriptors for a frame of `length` bytes, the oldest first.
    ///
    /// # Errors
    ///
    /// No descriptor is taken if there is an error:
    ///
    /// - [`TakeFdsError::Missing`] if fewer descriptors are available to the frame.
    /// - [`TakeFdsError::Truncated`] if a set that may belong to the frame was truncated. No descriptors
    ///   of another set are taken instead, because they may belong to the next frame.
    /// - [`TakeFdsError::Ambiguous`] if only a part of a set would be taken, and a
    ///   [discarded](Self::discard) frame may have been sent with some descriptors of this set.
    ///
    /// Call this method when all bytes of the frame have arrived, and if it fails, return the error from
    /// `decode`. Waiting does not help: no more descriptors for the frame can arrive then. (With `Fifo`, the
    /// protocol must forbid its peers to send them later.)
    #[inline]
    pub fn take(&mut self, length: usize, count: usize) -> Result<TakenFds<'_>, TakeFdsError> {
        if count == 0 {
            return Ok(take(self.fds, 0));
        }
        self.claim(length, count)?;
        Ok(take(self.fds, count))
    }

    /// Takes all descriptors that are available to a frame of `length` bytes, the oldest first.
    ///
    /// This method is for protocols whose frames do not contain the number of their descriptors
    /// ([`Attribution::LastByte`](super::Attribution::LastByte)). With
    /// [`Attribution::Range`](super::Attribution::Range) it may also take descriptors that were sent for a
    /// later frame. With [`Attribution::Fifo`](super::Attribution::Fifo) it takes all descriptors that wait.
    ///
    /// # Errors
    ///
    /// Returns [`TakeFdsError::Truncated`] if a set that may belong to the frame was truncated. No descriptor
    /// is taken then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::os::fd::OwnedFd;
    ///
    /// use anchovy::UnixStream;
    /// use anchovy::codec::{
    ///     Attribution, Decoder, Framed, ReadPolicy, ReceiveError, ReceivedFds, WritePolicy,
    /// };
    /// use bytes::BytesMut;
    ///
    /// /// Messages that end with a NUL byte, as in varlink.
    /// struct Messages;
    ///
    /// impl Decoder for Messages {
    ///     type Item = (BytesMut, Vec<OwnedFd>);
    ///     type Error = Infallible;
    ///
    ///     fn decode(
    ///         &mut self,
    ///         bytes: &mut BytesMut,
    ///         fds: &mut ReceivedFds<'_>,
    ///     ) -> Result<Option<Self::Item>, ReceiveError<Infallible>> {
    ///         let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return Ok(None) };
    ///         let fds = fds.take_all(end + 1)?.into_vec();
    ///         Ok(Some((bytes.split_to(end + 1), fds)))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// let (near, mut far) = UnixStream::pair()?;
    /// let policy = ReadPolicy { attribution: Attribution::LastByte, ..ReadPolicy::default() };
    /// let mut near = Framed::with_policies(near, Messages, policy, WritePolicy::default());
    ///
    /// let file = std::fs::File::open("/dev/null")?;
    /// far.send_with_fds(b"plain\0", &[] as &[&std::fs::File]).await?;
    /// far.send_with_fds(b"two files\0", &[&file, &file]).await?;
    /// for count in [0, 2] {
    ///     let (_, fds) = near.next().await.expect("a message")?;
    ///     assert_eq!(fds.len(), count);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn take_all(&mut self, length: usize) -> Result<TakenFds<'_>, TakeFdsError> {
        // `take` accepts a count of 0 in spite of a truncated set.
        if let Some(cause) = self.truncation(length) {
            return Err(TakeFdsError::Truncated { cause });
        }
        self.take(length, self.available(length))
    }

    fn claim(&mut self, length: usize, count: usize) -> Result<(), TakeFdsError> {
        if self.claim_of_only_set(length, count) {
            return Ok(());
        }
        if let Some(cause) = self.truncation(length) {
            return Err(TakeFdsError::Truncated { cause });
        }
        let available = self.available(length);
        if available < count {
            return Err(TakeFdsError::Missing { declared: count, available });
        }
        self.check_given_up(length, count)?;
        claim(self.sets.iter_mut().map(|set| &mut set.fds), count);
        self.claimed += count;
        Ok(())
    }

    /// Claims `count` descriptors if one set waits, and has them. This is the usual case.
    #[inline]
    fn claim_of_only_set(&mut self, length: usize, count: usize) -> bool {
        if self.sets.len() != 1 || self.available(length) < count {
            return false;
        }
        match self.sets.front_mut() {
            Some(set) if set.truncated.is_none() && !set.given_up => set.fds -= count,
            _ => return false,
        }
        self.claimed += count;
        true
    }

    /// Returns an error if a frame would take only a part of a set that may belong to a discarded frame.
    fn check_given_up(&self, length: usize, count: usize) -> Result<(), TakeFdsError> {
        let mut left = count;
        for set in self.sets_of(length) {
            if set.given_up && (1..set.fds).contains(&left) {
                return Err(TakeFdsError::Ambiguous { declared: left, available: set.fds });
            }
            left = left.saturating_sub(set.fds);
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Closes the descriptors of a frame of `length` bytes that cannot be parsed. Returns the number of
    /// descriptors that this call has closed.
    ///
    /// A decoder that discards such a frame, instead of returning an error, calls this method before it
    /// removes the bytes; see [`Decoder`](super::Decoder) for an example. The number of descriptors of the
    /// frame need not be known. The effect on a descriptor set depends on its range:
    ///
    /// - All descriptors of each set whose range ends within the frame are closed. With
    ///   [`Attribution::Fifo`](super::Attribution::Fifo), the same applies to sets that arrived before the
    ///   frame and still wait.
    /// - With [`Attribution::LastByte`](super::Attribution::LastByte), every other set belongs to a
    ///   later frame and is not affected.
    /// - With the other attributions, a set whose range begins before the end of the frame and ends after it
    ///   may belong to this frame or to later ones. The decoder can take the whole set for a later frame.
    ///   Taking only a part fails with [`TakeFdsError::Ambiguous`]. If the set has not been taken when all
    ///   bytes of its range are decoded, it is closed.
    ///
    /// Closed descriptors are counted in [`Framed::unclaimed_fds`](super::Framed::unclaimed_fds).
    ///
    /// On Linux, frames after a discarded one get exactly their own descriptors if the sender gives each
    /// frame with descriptors a `sendmsg` of its own ([`Placement::Alone`](super::Placement::Alone)). Except
    /// with [`Attribution::LastByte`](super::Attribution::LastByte), it is enough that each frame with
    /// descriptors begins a new `sendmsg` ([`Placement::FirstByte`](super::Placement::FirstByte)).
    ///
    /// Do not discard frames of a sender that sends descriptors before the first byte of their frame
    /// ([`Placement::Together`](super::Placement::Together), libwayland). This method may then close
    /// descriptors of a later frame. With [`Attribution::Range`](super::Attribution::Range), that frame
    /// ends the stream of frames with [`ReceiveError::MissingFds`](super::ReceiveError::MissingFds). With
    /// [`Attribution::Fifo`](super::Attribution::Fifo), it may get descriptors of the frame after it.
    pub fn discard(&mut self, length: usize) -> usize {
        let end = self.position.saturating_add(length as u64);
        let mut count = 0;
        for set in self.sets.iter_mut().take_while(|set| set.start < end) {
            if set.end > end {
                set.given_up = self.attribution != Attribution::LastByte;
            } else {
                count += std::mem::take(&mut set.fds);
            }
        }
        // Sets are in order, so all that is closed is before all that waits.
        take(self.fds, count).for_each(drop);
        *self.closed += count as u64;
        count
    }

    /// Takes the [`Charge`] for `count` descriptors that were [taken](Self::take) for the frame. Returns
    /// `None` if the peer has no [account](crate::AnchovyStream::set_account).
    ///
    /// The decoder stores the charge in the frame, with the descriptors. The descriptors then count against
    /// the account of the peer until the charge is dropped. If the decoder does not take the charge, the
    /// descriptors count only until the frame is decoded.
    ///
    /// ```
    /// # use std::os::fd::OwnedFd;
    /// use anchovy::Charge;
    /// use anchovy::codec::{ReceivedFds, TakeFdsError};
    ///
    /// /// Descriptors of a message, which count against its sender while they wait to be used.
    /// struct Fds(Vec<OwnedFd>, Option<Charge>);
    ///
    /// fn charged(
    ///     fds: &mut ReceivedFds<'_>,
    ///     length: usize,
    ///     count: usize,
    /// ) -> Result<Fds, TakeFdsError> {
    ///     let list = fds.take(length, count)?.into_vec();
    ///     Ok(Fds(list, fds.take_charge(count)))
    /// }
    /// ```
    pub fn take_charge(&mut self, count: usize) -> Option<Charge> {
        let count = count.min(self.claimed);
        self.claimed -= count;
        Some(self.held.as_mut()?.split_off(count))
    }

    /// Returns the cause if the kernel truncated a set that may belong to a frame of `length` bytes.
    ///
    /// This is for decoders with
    /// [`ReadPolicy::survive_truncation`](super::ReadPolicy::survive_truncation). If that is `false`, a
    /// truncated set ends the stream of frames. All descriptors of a truncated set are closed, so the decoder
    /// returns the frame without descriptors, or an error.
    #[inline]
    pub fn truncation(&self, length: usize) -> Option<Truncation> {
        let end = self.position.saturating_add(length as u64);
        let by_last_byte = self.attribution == Attribution::LastByte;
        let may_be_its =
            |set: &&ReceivedSet| if by_last_byte { set.end <= end } else { set.start < end };
        self.sets.iter().take_while(may_be_its).find_map(|set| set.truncated)
    }

    /// Returns the sets whose descriptors are available to a frame of `length` bytes. Earlier sets have
    /// been released.
    #[inline]
    fn sets_of(&self, length: usize) -> impl Iterator<Item = &ReceivedSet> {
        let end = self.position.saturating_add(length as u64);
        let attribution = self.attribution;
        self.sets.iter().take_while(move |set| match attribution {
            Attribution::Range => set.start < end,
            Attribution::Fifo => true,
            // Its last byte is the one before `set.end`. Frames before this one have taken theirs.
            Attribution::LastByte => set.end <= end,
        })
    }
}

/// A descriptor set: the range of the stream that its `recvmsg` returned, and the number of its
/// descriptors that wait.
#[derive(Debug)]
pub(crate) struct ReceivedSet {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) fds: usize,
    pub(super) truncated: Option<Truncation>,
    /// Whether the set may belong to a discarded frame. Then only the whole set can be taken.
    pub(super) given_up: bool,
    /// Time of arrival, if there is a deadline.
    pub(super) arrived: Option<Instant>,
}
