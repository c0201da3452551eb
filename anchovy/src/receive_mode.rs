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
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::options;

/// The mode of one socket. One task receives; any task can change whether the kernel refuses
/// descriptors.
#[derive(Debug)]
pub(crate) struct ReceiveMode {
    /// Whether the mode is [`Mode::Messages`], so that most receives need no lock.
    is_usual: AtomicBool,
    /// Locked during each receive in another mode, so that no descriptor is accepted between the decision
    /// for `recv` and the call. Neither of them waits.
    mode: Mutex<Mode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing has been received. Descriptors may be queued, unless the kernel has refused them since
    /// the connection exists.
    New { refused: bool },
    /// Descriptors may be queued or may still be sent.
    Messages,
    /// The kernel refuses descriptors. Those that were sent before may be queued.
    Refusing,
    /// No descriptor is queued, and the kernel refuses them.
    Bytes,
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
    pub(crate) fn new(refused: bool) -> ReceiveMode {
        let mode = Mutex::new(Mode::New { refused });
        ReceiveMode { is_usual: AtomicBool::new(false), mode }
    }

    /// Receives with the call that the mode requires. `receive` returns `WouldBlock` only if an event will
    /// announce what is left in the socket.
    #[inline]
    pub(crate) fn receive(
        &self,
        socket: &impl Options,
        receive: impl FnOnce(Call) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_usual.load(Ordering::Acquire) {
            return receive(Call::Message);
        }
        self.receive_locked(socket, receive)
    }

    fn receive_locked(
        &self,
        socket: &impl Options,
        receive: impl FnOnce(Call) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut mode = self.lock();
        self.prepare(&mut mode, socket);
        if *mode == Mode::Bytes {
            return receive(Call::Bytes);
        }
        let outcome = receive(Call::Message);
        let is_empty = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        // The outcome alone proves only that an event announces what is queued: an out-of-band byte that no
        // event has announced yet may be queued, with descriptors.
        let is_empty = outcome.as_ref().is_err_and(is_empty);
        if *mode == Mode::Refusing && is_empty && socket.is_drained() {
            self.set(&mut mode, after_refusal(socket));
        }
        outcome
    }

    /// Sets whether the kernel refuses descriptors that peers send to this socket.
    pub(crate) fn set_fd_passing(&self, socket: &impl Options, on: bool) -> io::Result<()> {
        let mut mode = self.lock();
        self.prepare(&mut mode, socket);
        if on {
            // Before the kernel accepts the first descriptor.
            self.set(&mut mode, Mode::Messages);
            return socket.set_fd_passing(true);
        }
        socket.set_fd_passing(false)?;
        if *mode == Mode::Messages {
            self.set(&mut mode, Mode::Refusing);
        }
        Ok(())
    }

    /// Makes a socket that nothing has been received from ready for that.
    pub(crate) fn prepare_socket(&self, socket: &impl Options) {
        if !self.is_usual.load(Ordering::Acquire) {
            self.prepare(&mut self.lock(), socket);
        }
    }

    fn prepare(&self, mode: &mut Mode, socket: &impl Options) {
        let Mode::New { refused } = *mode else { return };
        socket.prepare();
        self.set(mode, if refused { after_refusal(socket) } else { Mode::Messages });
    }

    fn set(&self, mode: &mut Mode, new: Mode) {
        *mode = new;
        self.is_usual.store(new == Mode::Messages, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Mode> {
        // Ignores poisoning: each mode is valid.
        self.mode.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Returns the mode of a socket without queued descriptors.
///
/// The owner of the socket may have enabled options that cause other control messages: with them, a
/// read ends at a change of the sender, which only `recvmsg` shows.
fn after_refusal(socket: &impl Options) -> Mode {
    if socket.receives_only_bytes() { Mode::Bytes } else { Mode::Messages }
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
        fn receive(&self, call: Call) -> io::Result<()> {
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
                let _ = mode.receive(&socket, |call| socket.receive(call));
            }
            changing.join().unwrap();
            let _ = mode.receive(&socket, |call| socket.receive(call));
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
