//! The faults of the system calls of one seed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::thread;

use anchovy::faults::{Call, Injection, inject};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::Rng;

/// Number of system calls of one seed at which the code under test counts as looping. The longest
/// workload makes a few thousand.
const MOST_CALLS: usize = 200_000;

/// Number of system calls that the report of a failed seed shows.
const SHOWN: usize = 40;

/// A fault in place of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// At most this number of bytes is transferred.
    Short(usize),
    /// EINTR, which the caller does not see.
    Interrupted,
    /// EAGAIN. As from the kernel, an edge of readiness follows.
    WouldBlock,
    /// ENOBUFS, ENOMEM, or ETOOMANYREFS for descriptors: nothing was transferred, and a later call
    /// succeeds.
    Transient(Errno),
    /// ECONNRESET or EPIPE, once in a seed at most.
    Final(Errno),
}

impl Fault {
    fn kind(self) -> usize {
        match self {
            Fault::Short(_) => 0,
            Fault::Interrupted => 1,
            Fault::WouldBlock => 2,
            Fault::Transient(_) => 3,
            Fault::Final(_) => 4,
        }
    }
}

/// The kinds of faults that a scenario can go on after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Whether a receive may fail with a transient error.
    pub transient_receives: bool,
    /// Whether a send may fail with a transient error.
    pub transient_sends: bool,
    /// Whether a call may fail with a final error.
    pub last: bool,
}

impl Kinds {
    /// All kinds.
    pub const ALL: Kinds = Kinds { transient_receives: true, transient_sends: true, last: true };
    /// Returns which kinds occur, in the order of [`Fault`].
    pub(crate) fn occurring(self) -> [bool; 5] {
        [true, true, true, self.transient_receives || self.transient_sends, self.last]
    }

    /// All but transient errors, which end what the scenario tests.
    pub const NOT_TRANSIENT: Kinds =
        Kinds { transient_receives: false, transient_sends: false, last: true };
}

/// How often each fault occurs, in percent.
#[derive(Clone, Copy, Debug)]
struct Rates {
    short: usize,
    interrupted: usize,
    would_block: usize,
    transient: usize,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    rates: Rates,
    kinds: Kinds,
    /// The number of the call that fails with a final error, or alone with another one.
    chosen: Option<usize>,
    /// Whether the chosen call is the only one with a fault.
    alone: bool,
    /// Whether no call has a fault, or counts.
    suspended: bool,
    calls: usize,
    /// The final error that was returned.
    last: Option<(Call, i32)>,
    log: VecDeque<String>,
    /// Which of the kinds of faults have occurred, in the order of [`Fault`].
    occurred: [bool; 5],
}

/// The faults of one seed, until this is dropped.
#[derive(Debug)]
pub struct Faults {
    state: Rc<RefCell<State>>,
    _injection: Injection,
}

impl Faults {
    /// Injects faults into the system calls of this thread.
    pub fn inject(rng: &mut Rng, kinds: Kinds) -> Faults {
        let mut rng = rng.fork();
        let rates = Rates {
            short: rng.pick(&[0, 10, 40, 80]),
            interrupted: rng.pick(&[0, 5, 30]),
            would_block: rng.pick(&[0, 5, 30]),
            transient: rng.pick(&[0, 0, 5, 20]),
        };
        // Low numbers are more frequent: every scenario makes them.
        let chosen = rng.percent(50).then(|| {
            let most = rng.pick(&[4, 16, 64, 256]);
            rng.below(most)
        });
        let alone = rng.percent(40);
        let state = State {
            rng,
            rates,
            kinds,
            chosen,
            alone,
            suspended: false,
            calls: 0,
            last: None,
            log: VecDeque::new(),
            occurred: [false; 5],
        };
        let state = Rc::new(RefCell::new(state));
        let hook = {
            let state = state.clone();
            move |call, fd: BorrowedFd<'_>, length| state.borrow_mut().before(call, fd, length)
        };
        Faults { state, _injection: inject(hook) }
    }

    /// Returns the call that failed with a final error, if one did, and the number of its socket.
    pub fn last(&self) -> Option<(Call, i32)> {
        self.state.borrow().last
    }

    /// Runs the set-up of a scenario without faults.
    pub async fn without<T>(&self, setup: impl Future<Output = T>) -> T {
        self.state.borrow_mut().suspended = true;
        let result = setup.await;
        self.state.borrow_mut().suspended = false;
        result
    }

    /// Returns whether a call has failed with a final error.
    pub fn are_final(&self) -> bool {
        self.last().is_some()
    }

    /// Returns which kinds of faults have occurred, in the order of [`Fault`].
    pub(crate) fn occurred(&self) -> [bool; 5] {
        self.state.borrow().occurred
    }

    /// Returns whether this is an error after which the same call can be made again.
    pub fn is_transient(error: &io::Error) -> bool {
        // ETOOMANYREFS is an error of the crates, of this kind.
        error.kind() == ErrorKind::QuotaExceeded
            || matches!(Errno::from_io_error(error), Some(Errno::NOBUFS | Errno::NOMEM))
    }

    /// Returns whether this is an error after which nothing can be transferred.
    pub fn is_final(error: &io::Error) -> bool {
        matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
    }
}

/// Prints the last system calls of a seed that fails.
impl Drop for Faults {
    fn drop(&mut self) {
        if let (true, Ok(state)) = (thread::panicking(), self.state.try_borrow()) {
            eprintln!("the last of {} system calls, with the faults of some:", state.calls);
            state.log.iter().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl State {
    fn before(&mut self, call: Call, fd: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        if self.suspended {
            return Ok(length);
        }
        let number = self.calls;
        self.calls += 1;
        assert!(number < MOST_CALLS, "{MOST_CALLS} system calls: a loop without progress");
        let fault = self.choose(number, call, length);
        if self.log.len() == SHOWN {
            self.log.pop_front();
        }
        let shown = fault.map_or(String::new(), |fault| format!(": {fault:?}"));
        self.log.push_back(format!("{number} fd {} {call:?} {length}{shown}", fd.as_raw_fd()));
        if let Some(fault) = fault {
            self.occurred[fault.kind()] = true;
        }
        match fault {
            None => Ok(length),
            Some(Fault::Short(limit)) => {
                // The caller may take a short send for a full socket, which becomes writable later.
                cause_edge(fd);
                Ok(limit)
            }
            Some(Fault::Interrupted) => Err(Errno::INTR.into()),
            // Otherwise there would be no edge if the peer waits for this side to read.
            Some(Fault::WouldBlock) if call == Call::Receive && !is_writable(fd) => Ok(length),
            Some(Fault::WouldBlock) => {
                cause_edge(fd);
                Err(Errno::AGAIN.into())
            }
            Some(Fault::Transient(errno)) => Err(errno.into()),
            Some(Fault::Final(errno)) => {
                self.last = Some((call, fd.as_raw_fd()));
                Err(errno.into())
            }
        }
    }

    fn choose(&mut self, number: usize, call: Call, length: usize) -> Option<Fault> {
        if self.chosen == Some(number) {
            return self.chosen_fault(call, length);
        }
        if self.alone {
            return None;
        }
        let Rates { short, interrupted, would_block, transient } = self.rates;
        if self.rng.percent(interrupted) {
            return Some(Fault::Interrupted);
        }
        if self.rng.percent(would_block) {
            return Some(Fault::WouldBlock);
        }
        if self.may_be_transient(call) && self.rng.percent(transient) {
            return Some(self.transient(call));
        }
        if self.rng.percent(short) { self.short(length) } else { None }
    }

    fn chosen_fault(&mut self, call: Call, length: usize) -> Option<Fault> {
        if self.kinds.last && self.rng.percent(60) {
            let errno = match call {
                Call::Receive => Errno::CONNRESET,
                _ => self.rng.pick(&[Errno::CONNRESET, Errno::PIPE]),
            };
            return Some(Fault::Final(errno));
        }
        match self.rng.below(4) {
            0 => Some(Fault::Interrupted),
            1 => Some(Fault::WouldBlock),
            2 if self.may_be_transient(call) => Some(self.transient(call)),
            _ => self.short(length),
        }
    }

    fn may_be_transient(&self, call: Call) -> bool {
        match call {
            Call::Receive => self.kinds.transient_receives,
            Call::Send { .. } => self.kinds.transient_sends,
        }
    }

    fn transient(&mut self, call: Call) -> Fault {
        let errnos = [Errno::NOBUFS, Errno::NOMEM, Errno::TOOMANYREFS];
        Fault::Transient(match call {
            Call::Send { fds: 1.. } => self.rng.pick(&errnos),
            _ => self.rng.pick(&errnos[..2]),
        })
    }

    fn short(&mut self, length: usize) -> Option<Fault> {
        if length < 2 {
            return None;
        }
        let most = self.rng.pick(&[2, 8, length, length]).min(length);
        Some(Fault::Short(self.rng.within(1..most)))
    }
}

/// Makes epoll report the readiness of a socket once more.
///
/// The kernel returns EAGAIN only before an edge: something arrives, or the peer reads. tokio has
/// cleared the readiness then, and would wait forever without that edge. Linux wakes those who
/// wait for a socket when its send buffer is set (`sk_write_space`), if it is writable. If it is
/// not, the edge follows when the peer reads.
fn cause_edge(fd: BorrowedFd<'_>) {
    let size = sockopt::socket_send_buffer_size(fd).expect("a socket");
    // The kernel doubles the number that it is given.
    sockopt::set_socket_send_buffer_size(fd, size / 2).expect("a socket");
}

/// Returns whether a wait for this socket ends after [`cause_edge`] without the peer.
fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}
