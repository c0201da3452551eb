//! What the stream and the handles of an exchange do at the same time, in every order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::time::Instant;

use super::exchange_error::ExchangeError;
use super::fd_id::FdId;
use super::incoming::End;
use super::nonce::Nonce;
use super::receive_error::ReceiveError;
use super::send_error::SendErrorKind;
use super::shared::{Limits, Shared};
use crate::sync::explore;

#[test]
fn ids_of_concurrent_sends_have_the_order_of_the_queue() {
    explore(|| {
        let shared = exchange(2, 2);
        let senders = [(); 2].map(|()| {
            spawn(&shared, |shared| {
                let (fd, _) = descriptor();
                let number = fd.as_raw_fd();
                (shared.queue(fd).expect("there is room").index, number)
            })
        });
        let mut queue = VecDeque::new();
        shared.take_queued(1, &mut queue);
        let mut sent = senders.map(join);
        shared.take_queued(2, &mut queue);
        sent.sort_unstable();
        assert_eq!(sent.map(|(index, _)| index), [0, 1]);
        let queue: Vec<_> = queue.iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(sent.map(|(_, number)| number), queue[..]);
    });
}

#[test]
fn concurrent_sends_do_not_exceed_the_limit() {
    explore(|| {
        let shared = exchange(1, 1);
        let senders = [(); 2].map(|()| {
            spawn(&shared, |shared| match shared.queue(descriptor().0) {
                Ok(_) => 1,
                Err(error) => {
                    let full = SendErrorKind::TooManyQueued { count: 1, limit: 1 };
                    assert_eq!(format!("{:?}", error.kind), format!("{full:?}"));
                    assert!(error.unsent.is_some());
                    0
                }
            })
        });
        assert_eq!(senders.map(join).iter().sum::<usize>(), 1);
        assert_eq!(shared.pending(), 1);
    });
}

#[test]
fn a_write_subtracts_only_what_it_has_sent() {
    explore(|| {
        let shared = exchange(3, 3);
        shared.queue(descriptor().0).expect("there is room");
        let sender = spawn(&shared, |shared| {
            shared.queue(descriptor().0).expect("there is room");
        });
        let mut queue = VecDeque::new();
        shared.take_queued(2, &mut queue);
        shared.sent(queue.len());
        join(sender);
        let mut rest = VecDeque::new();
        shared.take_queued(usize::MAX, &mut rest);
        assert_eq!((shared.pending(), rest.len()), (rest.len(), 2 - queue.len()));
    });
}

#[test]
fn a_send_during_the_shutdown_is_refused_or_its_descriptor_closed() {
    explore(|| {
        let shared = exchange(1, 1);
        let sender = spawn(&shared, |shared| {
            let (fd, watch) = descriptor();
            if let Err(error) = shared.queue(fd) {
                assert!(matches!(error.kind, SendErrorKind::Closed), "{error:?}");
                assert!(error.unsent.is_some());
            }
            watch
        });
        shared.close();
        assert!(join(sender).is_closed());
        assert_eq!(shared.pending(), 0);
    });
}

#[test]
fn a_call_that_waits_is_woken_by_its_descriptor() {
    explore(|| {
        let shared = exchange(1, 1);
        let receiver = spawn(&shared, |shared| receive(shared, theirs(0)));
        let (fd, watch) = descriptor();
        arrive(&shared, [fd]).expect("there is room");
        let fd = join(receiver).expect("it has arrived");
        assert!(!watch.is_closed());
        drop(fd);
        assert!(watch.is_closed());
        assert_eq!(shared.unclaimed(), 0);
    });
}

#[test]
fn calls_for_two_descriptors_of_one_read_are_both_woken() {
    explore(|| {
        let shared = exchange(2, 2);
        let receivers =
            [0, 1].map(|index| spawn(&shared, move |shared| receive(shared, theirs(index))));
        let fds = [descriptor().0, descriptor().0];
        let numbers = [fds[0].as_raw_fd(), fds[1].as_raw_fd()];
        arrive(&shared, fds).expect("there is room");
        let received = receivers.map(|receiver| join(receiver).expect("it has arrived"));
        assert_eq!([received[0].as_raw_fd(), received[1].as_raw_fd()], numbers);
    });
}

#[test]
fn only_one_of_two_calls_takes_a_descriptor() {
    explore(|| {
        let shared = exchange(1, 1);
        let receivers = [(); 2].map(|()| spawn(&shared, |shared| receive(shared, theirs(0))));
        arrive(&shared, [descriptor().0]).expect("there is room");
        let outcomes = receivers.map(join);
        let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(taken, 1, "{outcomes:?}");
        let is_refused =
            |outcome: &Result<_, _>| matches!(outcome, Err(ReceiveError::AlreadyTaken { .. }));
        assert!(outcomes.iter().any(is_refused), "{outcomes:?}");
    });
}

#[test]
fn the_end_of_the_stream_ends_calls_that_wait() {
    explore(|| {
        let shared = exchange(1, 1);
        let receiver = spawn(&shared, |shared| receive(shared, theirs(0)));
        shared.end(End::Eof, &mut Vec::new());
        let outcome = join(receiver);
        assert!(matches!(outcome, Err(ReceiveError::EndOfStream { .. })), "{outcome:?}");
    });
}

#[test]
fn the_carrier_of_the_peer_ends_calls_with_ids_of_other_connections() {
    explore(|| {
        let shared = unknown_peer(1, 1);
        let foreign = FdId { index: 0, nonce: nonce("00000000000000ff") };
        let receiver = spawn(&shared, move |shared| receive(shared, foreign));
        shared.set_peer(nonce(THEIRS), &mut Vec::new());
        let outcome = join(receiver);
        assert!(matches!(outcome, Err(ReceiveError::ForeignId { .. })), "{outcome:?}");
    });
}

#[test]
fn too_many_descriptors_end_calls_that_wait_and_are_closed() {
    explore(|| {
        let shared = exchange(1, 1);
        let receiver = spawn(&shared, |shared| receive(shared, theirs(0)));
        let ((first, watched), (second, also_watched)) = (descriptor(), descriptor());
        let error = arrive(&shared, [first, second]).unwrap_err();
        assert_eq!(error, ExchangeError::TooManyUnclaimed { count: 2, limit: 1 });
        let outcome = join(receiver);
        assert!(matches!(outcome, Err(ReceiveError::StreamFailed { .. })), "{outcome:?}");
        assert!(watched.is_closed() && also_watched.is_closed());
    });
}

#[test]
fn a_canceled_call_leaves_its_descriptor_and_no_waker() {
    explore(|| {
        let shared = exchange(1, 2);
        let waked = Arc::new(Ignored);
        let waker = Waker::from(Arc::clone(&waked));
        let canceled = spawn(&shared, move |shared| {
            // The descriptor of the second call does not arrive.
            [0, 1].map(|index| poll_and_cancel(shared, theirs(index), &waker))
        });
        arrive(&shared, [descriptor().0]).expect("there is room");
        let [first, second] = join(canceled);
        match first {
            Poll::Pending => drop(receive(&shared, theirs(0)).expect("it was not taken")),
            Poll::Ready(outcome) => drop(outcome.expect("it has arrived")),
        }
        assert!(second.is_pending());
        assert_eq!(Arc::strong_count(&waked), 1, "a waker is left");
    });
}

#[test]
fn a_descriptor_that_waits_has_a_task_that_closes_it() {
    explore(|| {
        let shared = exchange(2, 2);
        let first = arrive(&shared, [descriptor().0]).expect("there is room");
        let first = first.expect("no task runs yet");
        // The task of the first descriptor continues if the second one has arrived.
        let task = spawn(&shared, move |shared| shared.expire(first));
        let started = arrive(&shared, [descriptor().0]).expect("there is room");
        let continues = join(task).is_some();
        assert!(shared.unclaimed() == 0 || continues || started.is_some(), "no task");
        assert!(!(continues && started.is_some()), "two tasks");
    });
}

#[test]
fn a_descriptor_is_taken_or_expires() {
    explore(|| {
        let shared = exchange(1, 1);
        let (fd, watch) = descriptor();
        arrive(&shared, [fd]).expect("there is room");
        let later = Instant::now() + 2 * TIMEOUT;
        let task = spawn(&shared, move |shared| shared.expire(later));
        let outcome = receive(&shared, theirs(0));
        join(task);
        assert_eq!(watch.is_closed(), outcome.is_err());
        let expired = matches!(outcome, Err(ReceiveError::Expired { .. }));
        assert!(outcome.is_ok() || expired, "{outcome:?}");
        assert_eq!(shared.unclaimed(), 0);
    });
}

#[test]
fn descriptors_can_be_taken_while_the_stream_is_dropped() {
    explore(|| {
        let shared = exchange(1, 2);
        arrive(&shared, [descriptor().0]).expect("there is room");
        let receiver =
            spawn(&shared, |shared| (receive(shared, theirs(0)), receive(shared, theirs(1))));
        shared.close();
        shared.end(End::Dropped, &mut Vec::new());
        let (arrived, missing) = join(receiver);
        assert!(arrived.is_ok(), "{arrived:?}");
        assert!(matches!(missing, Err(ReceiveError::Closed { .. })), "{missing:?}");
    });
}

const OURS: &str = "0000000000000001";
const THEIRS: &str = "0000000000000002";
const TIMEOUT: Duration = Duration::from_secs(60);

fn nonce(text: &str) -> Nonce {
    Nonce::parse(text).expect("16 digits")
}

fn theirs(index: u64) -> FdId {
    FdId { index, nonce: nonce(THEIRS) }
}

/// Returns the state of an exchange to which the carrier of the peer has not come yet.
fn unknown_peer(max_queued: usize, max_unclaimed: usize) -> Arc<Shared> {
    Arc::new(Shared::new(nonce(OURS), Limits { max_queued, max_unclaimed, timeout: TIMEOUT }))
}

fn exchange(max_queued: usize, max_unclaimed: usize) -> Arc<Shared> {
    let shared = unknown_peer(max_queued, max_unclaimed);
    shared.set_peer(nonce(THEIRS), &mut Vec::new());
    shared
}

fn spawn<T: 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> T + 'static,
) -> JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || work(&shared))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("the thread has not panicked")
}

fn arrive<const N: usize>(
    shared: &Shared,
    fds: [OwnedFd; N],
) -> Result<Option<Instant>, ExchangeError> {
    shared.arrive(&mut VecDeque::from(fds), None, &mut Vec::new())
}

/// Waits for a descriptor. A call that is never woken fails the model.
fn receive(shared: &Shared, id: FdId) -> Result<OwnedFd, ReceiveError> {
    let mut ticket = None;
    block_on(poll_fn(|cx| shared.poll_take(cx, id, &mut ticket)))
}

fn poll_and_cancel(
    shared: &Shared,
    id: FdId,
    waker: &Waker,
) -> Poll<Result<OwnedFd, ReceiveError>> {
    let mut ticket = None;
    let polled = shared.poll_take(&mut Context::from_waker(waker), id, &mut ticket);
    if let Some(ticket) = ticket {
        shared.cancel(ticket);
    }
    polled
}

/// The other end of a descriptor, which knows whether that was closed.
struct Watch(OwnedFd);

fn descriptor() -> (OwnedFd, Watch) {
    let (watch, fd) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
    (fd, Watch(watch))
}

impl Watch {
    fn is_closed(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 1]) != Err(Errno::AGAIN)
    }
}

struct Ignored;

impl Wake for Ignored {
    fn wake(self: Arc<Self>) {}
}
