//! A client that uses wayland-client.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use interop_tests::{identities, identity, memfds};
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::{wl_keyboard, wl_registry, wl_seat, wl_shm, wl_shm_pool};
use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};

use super::{Ask, Seen};

/// Does the requested work, and disconnects.
pub(super) fn ask(socket: UnixStream, ask: Ask) -> Seen {
    let connection = Connection::from_socket(socket).expect("a connection");
    let (globals, mut queue) = registry_queue_init::<Seen>(&connection).expect("a registry");
    let handle = queue.handle();
    let mut seen = Seen::default();
    match ask {
        Ask::Globals => {
            let list = globals.contents().clone_list();
            seen.globals =
                list.into_iter().map(|global| (global.interface, global.version)).collect();
        }
        Ask::Pools(count) => {
            let shm: wl_shm::WlShm = globals.bind(&handle, 1..=1, ()).expect("it is there");
            let files = memfds(count);
            for (file, size) in files.iter().zip(1..) {
                shm.create_pool(file.as_fd(), size, &handle, ());
            }
            seen.pools = identities(&files);
        }
        Ask::Keymaps => {
            let seat: wl_seat::WlSeat = globals.bind(&handle, 1..=7, ()).expect("it is there");
            seat.get_keyboard(&handle, ());
        }
    }
    queue.roundtrip(&mut seen).expect("an answer");
    seen
}

impl Dispatch<wl_keyboard::WlKeyboard, ()> for Seen {
    fn event(
        seen: &mut Seen,
        _: &wl_keyboard::WlKeyboard,
        event: wl_keyboard::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Seen>,
    ) {
        let wl_keyboard::Event::Keymap { fd, size, .. } = event else { panic!("another") };
        seen.keymaps.push(identity(fd));
        assert_eq!(size as usize, seen.keymaps.len(), "its size is its number");
    }
}

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for Seen {
    fn event(
        _: &mut Seen,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Seen>,
    ) {
    }
}

delegate_noop!(Seen: ignore wl_shm::WlShm);
delegate_noop!(Seen: ignore wl_shm_pool::WlShmPool);
delegate_noop!(Seen: ignore wl_seat::WlSeat);
