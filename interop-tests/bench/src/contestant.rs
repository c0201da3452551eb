//! The interface that all contestants implement.

use std::os::fd::OwnedFd;

use anchovy::{AnchovyStream, AncillarySpace, ValidSpace};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Ours;

pub(crate) type Tokio = tokio::net::UnixStream;
/// The published crate. Its `S` is a number of descriptors here.
pub(crate) type Published = published::AnchovyStream<253>;

pub(crate) trait Contestant:
    AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static
{
    fn pair() -> (Self, Self);

    /// Moves all received descriptors to the write queue.
    fn bounce(&mut self) {}

    /// Queues descriptors for the next write.
    fn queue(&mut self, _: Vec<OwnedFd>) {}

    /// Closes all received descriptors.
    fn close_received(&mut self) {}
}

impl Contestant for Tokio {
    fn pair() -> (Self, Self) {
        tokio::net::UnixStream::pair().expect("a pair")
    }
}

impl Contestant for Published {
    fn pair() -> (Self, Self) {
        let (left, right) = tokio::net::UnixStream::pair().expect("a pair");
        (Published::new(left).expect("a stream"), Published::new(right).expect("a stream"))
    }

    fn bounce(&mut self) {
        let fds = std::mem::take(self.read_queue_mut());
        let empty = std::mem::replace(self.write_queue_mut(), fds);
        *self.read_queue_mut() = empty;
    }

    fn queue(&mut self, fds: Vec<OwnedFd>) {
        self.write_queue_mut().extend(fds);
    }

    fn close_received(&mut self) {
        self.read_queue_mut().clear();
    }
}

impl<const S: usize> Contestant for AnchovyStream<S>
where
    AncillarySpace<S>: ValidSpace,
{
    fn pair() -> (Self, Self) {
        AnchovyStream::pair().expect("a pair")
    }

    fn bounce(&mut self) {
        let fds = std::mem::take(self.read_queue_mut());
        let empty = std::mem::replace(self.write_queue_mut(), fds);
        *self.read_queue_mut() = empty;
    }

    fn queue(&mut self, fds: Vec<OwnedFd>) {
        self.write_queue_mut().extend(fds);
    }

    fn close_received(&mut self) {
        self.read_queue_mut().clear();
    }
}

/// Creates a pair of anchovy's streams between which the kernel passes no descriptors.
pub(crate) fn passing_off() -> (Ours, Ours) {
    let (left, right) = Ours::pair().expect("a pair");
    left.set_fd_passing(false).expect("a kernel that can");
    right.set_fd_passing(false).expect("a kernel that can");
    (left, right)
}

/// Creates a pair of connected streams.
pub(crate) fn pair<C: Contestant>() -> (C, C) {
    C::pair()
}
