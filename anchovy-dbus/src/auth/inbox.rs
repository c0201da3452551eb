//! The bytes and descriptors that arrived during a handshake: lines, and then messages.
//!
//! One receive can return the end of the handshake and the first messages, with descriptors. Only the
//! range of the bytes that arrived with them is known. A descriptor set whose bytes all belong to the
//! handshake is refused. Every other one belongs to the messages.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;

use anchovy::codec::FdSet;
use bytes::BytesMut;

use super::error::HandshakeError;
use crate::limits::HandshakeLimits;

#[derive(Debug)]
pub(super) struct Inbox {
    bytes: BytesMut,
    /// Number of bytes of the handshake that were removed.
    consumed: usize,
    /// Number of bytes that were searched for the end of a line.
    searched: usize,
    /// Descriptors, with the range of the bytes that arrived with them.
    sets: VecDeque<(Range<usize>, Vec<OwnedFd>)>,
    limits: HandshakeLimits,
    /// The error with which the handshake has failed, if it has.
    failure: Option<HandshakeError>,
}

impl Inbox {
    pub(super) fn new(limits: HandshakeLimits) -> Inbox {
        let (bytes, sets) = (BytesMut::new(), VecDeque::new());
        Inbox { bytes, consumed: 0, searched: 0, sets, limits, failure: None }
    }

    pub(super) fn limits(&self) -> &HandshakeLimits {
        &self.limits
    }

    /// Returns the error with which the handshake has failed, if it has.
    pub(super) fn check(&self) -> Result<(), HandshakeError> {
        match &self.failure {
            Some(error) => Err(error.repeated()),
            None => Ok(()),
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        if self.failure.is_some() {
            return;
        }
        let start = self.consumed + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if !fds.is_empty() {
            self.sets.push_back((start..start + bytes.len(), fds));
        }
    }

    /// Takes the first byte, which is not part of a line.
    pub(super) fn byte(&mut self) -> Result<Option<u8>, HandshakeError> {
        let Some(&byte) = self.bytes.first() else { return Ok(None) };
        if self.limits.max_bytes == 0 {
            return Err(self.fail(HandshakeError::TooManyBytes { limit: 0 }));
        }
        self.take(1)?;
        Ok(Some(byte))
    }

    /// Takes a line, without its end.
    pub(super) fn line(&mut self) -> Result<Option<BytesMut>, HandshakeError> {
        let limit = self.limits.max_line_bytes;
        let end = self.bytes[self.searched..].windows(2).position(|pair| pair == b"\r\n");
        let length = match end {
            Some(end) => self.searched + end + 2,
            // The first byte of the end may have arrived.
            None => {
                self.searched = self.bytes.len().saturating_sub(1);
                self.bytes.len()
            }
        };
        let room = self.limits.max_bytes.saturating_sub(self.consumed);
        // An empty line buffer exceeds no limit, even a limit of 0.
        let too_long = length > limit || (end.is_none() && length == limit && length > 0);
        // The lower limit is reported, so that the error does not depend on the sizes of the receives.
        if too_long && limit <= room {
            return Err(self.fail(HandshakeError::LineTooLong { limit }));
        }
        if length > room {
            return Err(self.fail(HandshakeError::TooManyBytes { limit: self.limits.max_bytes }));
        }
        if end.is_none() {
            return Ok(None);
        }
        self.searched = 0;
        let mut line = self.take(length)?;
        line.truncate(length - 2);
        Ok(Some(line))
    }

    /// Takes bytes of the handshake, with which no descriptors may have arrived.
    fn take(&mut self, count: usize) -> Result<BytesMut, HandshakeError> {
        let bytes = self.bytes.split_to(count);
        self.consumed += count;
        self.refuse_fds_of_the_handshake()?;
        Ok(bytes)
    }

    /// Refuses descriptors whose bytes all belong to the handshake.
    pub(super) fn refuse_fds_of_the_handshake(&mut self) -> Result<(), HandshakeError> {
        match self.sets.front() {
            Some((range, fds)) if range.end <= self.consumed => {
                let count = fds.len();
                Err(self.fail(HandshakeError::Descriptors { count }))
            }
            _ => Ok(()),
        }
    }

    /// Refuses all descriptors.
    pub(super) fn refuse_fds(&mut self) -> Result<(), HandshakeError> {
        match self.sets.iter().map(|(_, fds)| fds.len()).sum() {
            0 => Ok(()),
            count => Err(self.fail(HandshakeError::Descriptors { count })),
        }
    }

    /// Records the error, and closes all descriptors. Later descriptors are closed too.
    pub(super) fn fail(&mut self, error: HandshakeError) -> HandshakeError {
        self.failure.get_or_insert_with(|| error.repeated());
        self.bytes.clear();
        self.sets.clear();
        self.searched = 0;
        error
    }

    /// Returns the bytes and descriptors after the handshake. Ranges count from the first byte after it.
    pub(super) fn into_rest(self) -> (BytesMut, Vec<FdSet>) {
        let relative = |offset: usize| offset.saturating_sub(self.consumed);
        let sets = self
            .sets
            .into_iter()
            .map(|(range, fds)| FdSet::new(relative(range.start)..relative(range.end), fds));
        (self.bytes, sets.collect())
    }
}
