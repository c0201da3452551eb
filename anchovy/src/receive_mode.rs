//! How a socket receives: with `recvmsg`, or with `recv` if no descriptor can arrive.
//!
//! `recv` is cheaper, but the kernel closes descriptors that arrive with it. While the kernel refuses
//! the descriptors of peers (`SO_PASSRIGHTS` is 0), only those that were sent before can arrive. So
//! `recv` is used after the first receive that leaves nothing in the socket: the kernel checks the option
//! and queues a message under one lock, and a receive takes the same lock. So after a receive, everything
//! that was accepted before the option was set is queued or received.

use std::io;
use std::os::fd::BorrowedFd;

use crate::passing;
use crate::reactor::Transfer;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::options;

/// The mode of one socket. One task receives; any task can change whether the kernel refuses
/// descriptors.
#[derive(Debug)]
pub(crate) struct ReceiveMode {
    /// A [`Mode`]. It is changed only while `lock` is held.
    mode: AtomicU8,
    /// Held during each receive that needs it, so that no descriptor is accepted between the decision for
    /// `recv` and the call. Neither of them waits.
    lock: Mutex<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    /// Nothing has been received. Descriptors may be queued.
    New,
    /// Nothing has been received. The kernel has refused descriptors since the connection exists.
    NewRefusing,
    /// Descriptors may be queued or may still be sent.
    Messages,
    /// The kernel refuses descriptors. Those that were sent before may be queued.
    Refusing,
    /// No descriptor is queued, and the kernel refuses them.
    Bytes,
}

impl Mode {
    const ALL: [Mode; 5] =
        [Mode::New, Mode::NewRefusing, Mode::Messages, Mode::Refusing, Mode::Bytes];
}

/// Who can use a socket during a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The receiver only, so nobody changes the mode.
    Exclusive,
    /// Other tasks too.
    Shared,
}

/// The options of a socket.
pub(crate) trait Options {
    /// Sets what every receive relies on.
    fn prepare(&self);

    /// Sets whether the kernel accepts descriptors of the peer.
    fn set_fd_passing(&self, on: bool) -> io::Result<()>;

    /// Returns whether the kernel refuses descriptors and adds no other control messages.
    fn receives_only_bytes(&self) -> bool;

    /// Returns whether no byte is queued.
    fn is_drained(&self) -> bool;
}

impl Options for BorrowedFd<'_> {
    fn prepare(&self) {
        // Otherwise Linux (since 5.15) drops an out-of-band byte, and its descriptors, when a read
        // reaches it. Where the option fails, there are no out-of-band bytes.
        let _ = rustix::net::sockopt::set_socket_oobinline(self, true);
    }

    fn set_fd_passing(&self, on: bool) -> io::Result<()> {
        passing::set_fd_passing(self, on)
    }

    fn receives_only_bytes(&self) -> bool {
        options::receives_only_bytes(*self)
    }

    fn is_drained(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|queued| queued == 0)
    }
}

/// The system call of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `recvmsg`, with room for control messages.
    Message,
    /// `recv`.
    Bytes,
}

impl ReceiveMode {
    /// Returns the mode of a socket that this crate has not received from. `refused` tells whether the
    /// kernel has refused descriptors since the connection exists.
    #[inline]
    pub(crate) fn new(refused: bool) -> ReceiveMode {
        let mode = if refused { Mode::NewRefusing } else { Mode::New };
        ReceiveMode { mode: AtomicU8::new(mode as u8), lock: Mutex::new(()) }
    }

    /// Receives with the call that the mode requires. `receive` returns `WouldBlock`, or a transfer that
    /// exhausts the readiness, only if an event will announce what is left in the socket.
    #[inline(always)]
    pub(crate) fn receive(
        &self,
        access: Access,
        socket: &impl Options,
        receive: impl FnOnce(Call) -> io::Result<Transfer<()>>,
    ) -> io::Result<Transfer<()>> {
        // `recvmsg` is right in every mode, so it needs no lock.
        let (call, lock) = match self.mode() {
            Mode::Messages => (Call::Message, None),
            Mode::Bytes if access == Access::Exclusive => (Call::Bytes, None),
            _ => self.begin(socket),
        };
        let outcome = receive(call);
        if let Some(lock) = lock {
            self.end(lock, socket, &outcome);
        }
        outcome
    }

    /// Returns the call that the mode requires, and holds the lock.
    #[inline(never)]
    fn begin(&self, socket: &impl Options) -> (Call, Option<MutexGuard<'_, ()>>) {
        let lock = self.lock();
        let is_bytes = self.prepare(&lock, socket) == Mode::Bytes;
        (if is_bytes { Call::Bytes } else { Call::Message }, Some(lock))
    }

    #[inline(never)]
    fn end(
        &self,
        lock: MutexGuard<'_, ()>,
        socket: &impl Options,
        outcome: &io::Result<Transfer<()>>,
    ) {
        let is_empty = match outcome {
            Ok(Transfer { exhausts, .. }) => *exhausts,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        // The outcome alone proves only that an event announces what is queued: an out-of-band byte that no
        // event has announced yet may be queued, with descriptors.
        if self.mode() == Mode::Refusing && is_empty && socket.is_drained() {
            self.set(&lock, after_refusal(socket));
        }
    }

    /// Sets whether the kernel refuses descriptors that peers send to this socket.
    pub(crate) fn set_fd_passing(&self, socket: &impl Options, on: bool) -> io::Result<()> {
        let lock = self.lock();
        let mode = self.prepare(&lock, socket);
        if on {
            // Before the kernel accepts the first descriptor.
            self.set(&lock, Mode::Messages);
            return socket.set_fd_passing(true);
        }
        socket.set_fd_passing(false)?;
        if mode == Mode::Messages {
            self.set(&lock, Mode::Refusing);
        }
        Ok(())
    }

    /// Makes a socket that nothing has been received from ready for that.
    pub(crate) fn prepare_socket(&self, socket: &impl Options) {
        self.prepare(&self.lock(), socket);
    }

    /// Prepares the socket, unless that was done before. Returns the mode.
    fn prepare(&self, lock: &MutexGuard<'_, ()>, socket: &impl Options) -> Mode {
        let mode = self.mode();
        if !matches!(mode, Mode::New | Mode::NewRefusing) {
            return mode;
        }
        socket.prepare();
        let mode = if mode == Mode::NewRefusing { after_refusal(socket) } else { Mode::Messages };
        self.set(lock, mode);
        mode
    }

    #[inline(always)]
    fn mode(&self) -> Mode {
        Mode::ALL[usize::from(self.mode.load(Ordering::Acquire))]
    }

    fn set(&self, _: &MutexGuard<'_, ()>, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // Ignores poisoning: each mode is valid.
        self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Returns the mode of a socket without queued descriptors.
///
/// The owner of the socket may have enabled options that cause other control messages: with them, a
/// read ends at a change of the sender, which only `recvmsg` shows.
fn after_refusal(socket: &impl Options) -> Mode {
    if socket.receives_only_bytes() { Mode::Bytes } else { Mode::Messages }
}

#[cfg(all(test, not(anchovy_loom)))]
mod tests {
    use std::io::ErrorKind;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Returns the call of a receive with this outcome, and whether the lock was held during it.
    fn receive(
        mode: &ReceiveMode,
        access: Access,
        socket: &UnixStream,
        outcome: io::Result<Transfer<()>>,
    ) -> (Call, bool) {
        let mut used = None;
        let _ = mode.receive(access, &socket.as_fd(), |call| {
            used = Some((call, mode.lock.try_lock().is_err()));
            outcome
        });
        used.expect("it was called")
    }

    fn nothing() -> io::Result<Transfer<()>> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn transfer(exhausts: bool) -> io::Result<Transfer<()>> {
        Ok(Transfer { value: (), exhausts })
    }

    /// Returns a socket, its mode, and the call for bytes alone, after descriptors were refused.
    fn refusing() -> (UnixStream, ReceiveMode, Call) {
        let (socket, _) = UnixStream::pair().expect("a pair");
        let mode = ReceiveMode::new(false);
        // Before Linux 6.16, every socket receives descriptors.
        let refuses = mode.set_fd_passing(&socket.as_fd(), false).is_ok();
        (socket, mode, if refuses { Call::Bytes } else { Call::Message })
    }

    #[test]
    fn recv_is_used_from_the_start_only_if_descriptors_were_always_refused() {
        let (socket, _) = UnixStream::pair().expect("a pair");
        let refuses = passing::set_fd_passing(&socket, false).is_ok();
        let bytes = if refuses { Call::Bytes } else { Call::Message };
        for (refused, call) in [(true, bytes), (false, Call::Message)] {
            let mode = ReceiveMode::new(refused);
            assert_eq!(receive(&mode, Access::Exclusive, &socket, nothing()).0, call);
        }
    }

    #[test]
    fn bytes_are_received_with_recv_after_a_receive_that_leaves_nothing() {
        for outcome in [nothing(), transfer(true)] {
            let (socket, mode, bytes) = refusing();
            assert_eq!(receive(&mode, Access::Exclusive, &socket, outcome).0, Call::Message);
            assert_eq!(receive(&mode, Access::Exclusive, &socket, nothing()).0, bytes);
        }
    }

    #[test]
    fn descriptors_are_received_until_a_receive_leaves_nothing() {
        for outcome in [transfer(false), Err(ErrorKind::ConnectionReset.into())] {
            let (socket, mode, _) = refusing();
            receive(&mode, Access::Exclusive, &socket, outcome);
            assert_eq!(receive(&mode, Access::Exclusive, &socket, nothing()).0, Call::Message);
        }
    }

    #[test]
    fn only_a_shared_receive_of_bytes_holds_the_lock() {
        let (socket, mode, bytes) = refusing();
        receive(&mode, Access::Exclusive, &socket, nothing());
        let is_bytes = bytes == Call::Bytes;
        assert_eq!(receive(&mode, Access::Exclusive, &socket, nothing()), (bytes, false));
        assert_eq!(receive(&mode, Access::Shared, &socket, nothing()), (bytes, is_bytes));
        mode.set_fd_passing(&socket.as_fd(), true).expect("descriptors are accepted");
        for access in [Access::Exclusive, Access::Shared] {
            assert_eq!(receive(&mode, access, &socket, nothing()), (Call::Message, false));
        }
    }
}

#[cfg(all(test, anchovy_loom))]
mod models {
    //! Models of a receive while another task changes whether descriptors are accepted.

    use std::sync::Arc;

    use loom::thread;

    use super::*;
    use crate::sync::explore;

    /// A socket. The peer sends a descriptor whenever the kernel accepts it.
    #[derive(Default)]
    struct Socket(Mutex<State>);

    #[derive(Default)]
    struct State {
        refuses: bool,
        queued: usize,
        sent: usize,
        received: usize,
    }

    impl Socket {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap()
        }

        fn send(&self) {
            let mut state = self.state();
            if !state.refuses {
                state.queued += 1;
                state.sent += 1;
            }
        }

        /// Receives everything, as the two system calls do.
        fn receive(&self, call: Call) -> io::Result<Transfer<()>> {
            let mut state = self.state();
            let queued = std::mem::take(&mut state.queued);
            if call == Call::Message {
                state.received += queued;
            }
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl Options for Arc<Socket> {
        fn prepare(&self) {}

        fn set_fd_passing(&self, on: bool) -> io::Result<()> {
            self.state().refuses = !on;
            Ok(())
        }

        fn receives_only_bytes(&self) -> bool {
            self.state().refuses
        }

        fn is_drained(&self) -> bool {
            self.state().queued == 0
        }
    }

    /// Receives while another thread makes the changes, with a peer that sends after each of them.
    fn nothing_is_lost(refused: bool, changes: &'static [bool]) {
        explore(move || {
            let socket = Arc::new(Socket::default());
            socket.state().refuses = refused;
            let mode = Arc::new(ReceiveMode::new(refused));
            let changing = thread::spawn({
                let (socket, mode) = (Arc::clone(&socket), Arc::clone(&mode));
                move || {
                    for on in changes {
                        socket.send();
                        mode.set_fd_passing(&socket, *on).unwrap();
                        socket.send();
                    }
                }
            });
            for _ in 0..2 {
                let _ = mode.receive(Access::Shared, &socket, |call| socket.receive(call));
            }
            changing.join().unwrap();
            let _ = mode.receive(Access::Shared, &socket, |call| socket.receive(call));
            let state = socket.state();
            assert_eq!((state.received, state.queued), (state.sent, 0));
        });
    }

    #[test]
    fn descriptors_sent_before_they_are_refused_are_received() {
        nothing_is_lost(false, &[false]);
    }

    #[test]
    fn descriptors_sent_after_they_are_accepted_again_are_received() {
        nothing_is_lost(true, &[true]);
    }

    #[test]
    fn descriptors_sent_between_two_changes_are_received() {
        nothing_is_lost(true, &[true, false]);
    }
}
