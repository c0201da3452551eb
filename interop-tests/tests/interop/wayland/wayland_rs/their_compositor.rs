//! A compositor that uses wayland-server.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interop_tests::{identity, memfd};
use rustix::event::{PollFd, PollFlags};
use wayland_server::backend::{ClientData, ClientId, DisconnectReason};
use wayland_server::protocol::{wl_keyboard, wl_seat, wl_shm, wl_shm_pool};
use wayland_server::{
    Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, New, Resource,
};

use super::Seen;

/// Serves a client until it disconnects. Its keyboards have this number of keymaps.
pub(super) fn serve(socket: UnixStream, keymaps: usize) -> Seen {
    let mut compositor = Compositor { keymaps, seen: Seen::default() };
    let mut display = Display::<Compositor>::new().expect("a display");
    let mut handle = display.handle();
    handle.create_global::<Compositor, wl_shm::WlShm, _>(1, ());
    handle.create_global::<Compositor, wl_seat::WlSeat, _>(7, ());
    let gone = Arc::new(Gone::default());
    handle.insert_client(socket, gone.clone()).expect("a client");
    while !gone.0.load(Ordering::Relaxed) {
        let backend = display.backend();
        let mut waits = [PollFd::from_borrowed_fd(backend.poll_fd(), PollFlags::IN)];
        rustix::event::poll(&mut waits, None).expect("an event");
        // An error means that the client has disconnected.
        let _ = display.dispatch_clients(&mut compositor);
        let _ = display.flush_clients();
    }
    compositor.seen
}

struct Compositor {
    keymaps: usize,
    seen: Seen,
}

/// Whether the client has disconnected.
#[derive(Default)]
struct Gone(AtomicBool);

impl ClientData for Gone {
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets every client bind a global, whose objects have no data.
macro_rules! has_global {
    ($interface:ty) => {
        impl GlobalDispatch<$interface, ()> for Compositor {
            fn bind(
                _: &mut Compositor,
                _: &DisplayHandle,
                _: &Client,
                object: New<$interface>,
                _: &(),
                init: &mut DataInit<'_, Compositor>,
            ) {
                init.init(object, ());
            }
        }
    };
}

has_global!(wl_shm::WlShm);
has_global!(wl_seat::WlSeat);

/// Handles the requests of an interface.
macro_rules! answers {
    ($interface:ty, $answer:expr) => {
        impl Dispatch<$interface, ()> for Compositor {
            fn request(
                compositor: &mut Compositor,
                _: &Client,
                _: &$interface,
                request: <$interface as Resource>::Request,
                _: &(),
                _: &DisplayHandle,
                init: &mut DataInit<'_, Compositor>,
            ) {
                let answer: fn(
                    &mut Compositor,
                    <$interface as Resource>::Request,
                    &mut DataInit<'_, Compositor>,
                ) = $answer;
                answer(compositor, request, init);
            }
        }
    };
}

answers!(wl_shm::WlShm, |compositor, request, init| {
    let wl_shm::Request::CreatePool { id, fd, .. } = request else { panic!("another") };
    init.init(id, ());
    compositor.seen.pools.push(identity(fd));
});

answers!(wl_seat::WlSeat, |compositor, request, init| {
    let wl_seat::Request::GetKeyboard { id } = request else { panic!("another") };
    let keyboard = init.init(id, ());
    for number in 1..=compositor.keymaps {
        let file = memfd();
        compositor.seen.keymaps.push(identity(&file));
        keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1, file.as_fd(), number as u32);
    }
});

answers!(wl_shm_pool::WlShmPool, |_, _, _| {});
answers!(wl_keyboard::WlKeyboard, |_, _, _| {});
