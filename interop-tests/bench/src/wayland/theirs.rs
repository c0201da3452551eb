//! The benchmarks with wayland-client and wayland-server, on the backend of this build.
//!
//! The benchmark calls both ends in turn: the client waits in `blocking_dispatch`, and the server reads
//! requests in `dispatch_clients`. Both poll and read.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wayland_client::protocol as requests;
use wayland_client::{EventQueue, Proxy, QueueHandle};
use wayland_server::protocol as served;
use wayland_server::{DataInit, DisplayHandle, New};

/// Number of pairs or messages that are sent together.
pub const BATCH: u32 = 20;
/// Number of pairs of `create_pool` and `destroy` in one measure.
pub const PAIRS: u32 = 2_000;
/// Number of plain messages in one measure.
pub const PLAIN: u32 = 20_000;
/// Number of messages that fill the read buffer of each backend.
pub const LARGE_BATCH: u32 = 160;

/// Measures `create_pool` and `destroy`, until `delete_id` arrives.
pub fn pools() -> Duration {
    let mut ends = Ends::new();
    let (shm, queue) = (ends.client.shm.clone().expect("it is bound"), ends.queue.handle());
    let display = ends.connection.display();
    let null = File::open("/dev/null").expect("there is a null device");
    let start = Instant::now();
    for _ in 0..PAIRS / BATCH {
        for _ in 0..BATCH {
            shm.create_pool(null.as_fd(), 4096, &queue, ()).destroy();
        }
        // The server of libwayland sends delete_id only with another event.
        display.sync(&queue, ());
        ends.requests();
        ends.events();
    }
    let spent = start.elapsed();
    assert_eq!((ends.server.received, ends.client.done), (PAIRS, PAIRS / BATCH));
    let last = shm.create_pool(null.as_fd(), 4096, &queue, ()).id().protocol_id();
    assert!(last < 2 * BATCH, "each delete_id has come: {last} is a number given again");
    spent / PAIRS
}

pub fn damage() -> Duration {
    damage_in_batches(BATCH)
}

pub fn damage_in_large_batches() -> Duration {
    damage_in_batches(LARGE_BATCH)
}

/// Measures `wl_surface.damage`, which has 24 bytes.
fn damage_in_batches(batch: u32) -> Duration {
    let mut ends = Ends::new();
    let compositor = ends.client.compositor.clone().expect("it is bound");
    let surface = compositor.create_surface(&ends.queue.handle(), ());
    let start = Instant::now();
    for _ in 0..PLAIN / batch {
        for number in 0..batch {
            surface.damage(0, 0, 1, number as i32);
        }
        ends.requests();
    }
    let spent = start.elapsed();
    assert_eq!(ends.server.received, PLAIN);
    spent / PLAIN
}

struct Ends {
    connection: wayland_client::Connection,
    queue: EventQueue<Client>,
    client: Client,
    display: wayland_server::Display<Server>,
    server: Server,
}

#[derive(Default)]
struct Client {
    shm: Option<requests::wl_shm::WlShm>,
    compositor: Option<requests::wl_compositor::WlCompositor>,
    done: u32,
}

#[derive(Default)]
struct Server {
    received: u32,
}

struct NoData;

impl wayland_server::backend::ClientData for NoData {}

impl Ends {
    fn new() -> Ends {
        let (near, far) = UnixStream::pair().expect("a pair");
        let display = wayland_server::Display::<Server>::new().expect("a display");
        let mut handle = display.handle();
        handle.create_global::<Server, served::wl_shm::WlShm, ()>(1, ());
        handle.create_global::<Server, served::wl_compositor::WlCompositor, ()>(1, ());
        handle.insert_client(far, Arc::new(NoData)).expect("a client");

        let connection = wayland_client::Connection::from_socket(near).expect("a connection");
        let queue = connection.new_event_queue();
        connection.display().get_registry(&queue.handle(), ());
        let (client, server) = (Client::default(), Server::default());
        let mut ends = Ends { connection, queue, client, display, server };
        ends.requests();
        ends.events();
        // The requests that bind globals.
        ends.requests();
        ends
    }

    /// Flushes the requests of the client, and lets the server handle them.
    fn requests(&mut self) {
        self.queue.flush().expect("the server is there");
        self.display.dispatch_clients(&mut self.server).expect("requests");
    }

    /// Flushes the events of the server, and lets the client handle them.
    fn events(&mut self) {
        self.display.flush_clients().expect("the client is there");
        self.queue.blocking_dispatch(&mut self.client).expect("events");
    }
}

impl wayland_client::Dispatch<requests::wl_registry::WlRegistry, ()> for Client {
    fn event(
        client: &mut Client,
        registry: &requests::wl_registry::WlRegistry,
        event: requests::wl_registry::Event,
        (): &(),
        _: &wayland_client::Connection,
        queue: &QueueHandle<Client>,
    ) {
        if let requests::wl_registry::Event::Global { name, interface, .. } = event {
            match &*interface {
                "wl_shm" => client.shm = Some(registry.bind(name, 1, queue, ())),
                _ => client.compositor = Some(registry.bind(name, 1, queue, ())),
            }
        }
    }
}

impl wayland_client::Dispatch<requests::wl_callback::WlCallback, ()> for Client {
    fn event(
        client: &mut Client,
        _: &requests::wl_callback::WlCallback,
        _: requests::wl_callback::Event,
        (): &(),
        _: &wayland_client::Connection,
        _: &QueueHandle<Client>,
    ) {
        client.done += 1;
    }
}

wayland_client::delegate_noop!(Client: ignore requests::wl_shm::WlShm);
wayland_client::delegate_noop!(Client: requests::wl_shm_pool::WlShmPool);
wayland_client::delegate_noop!(Client: requests::wl_compositor::WlCompositor);
wayland_client::delegate_noop!(Client: ignore requests::wl_surface::WlSurface);

/// Lets every client bind every global.
macro_rules! global {
    ($interface:ty) => {
        impl wayland_server::GlobalDispatch<$interface, ()> for Server {
            fn bind(
                _: &mut Server,
                _: &DisplayHandle,
                _: &wayland_server::Client,
                resource: New<$interface>,
                (): &(),
                data: &mut DataInit<'_, Server>,
            ) {
                data.init(resource, ());
            }
        }
    };
}

/// Handles the requests of an interface. A descriptor is dropped with its request.
macro_rules! requests {
    ($interface:ty, $request:ty, $handle:expr) => {
        impl wayland_server::Dispatch<$interface, ()> for Server {
            fn request(
                server: &mut Server,
                _: &wayland_server::Client,
                _: &$interface,
                request: $request,
                (): &(),
                _: &DisplayHandle,
                data: &mut DataInit<'_, Server>,
            ) {
                let handle: fn(&mut Server, $request, &mut DataInit<'_, Server>) = $handle;
                handle(server, request, data);
            }
        }
    };
}

global!(served::wl_shm::WlShm);
global!(served::wl_compositor::WlCompositor);

requests!(served::wl_shm::WlShm, served::wl_shm::Request, |_, request, data| {
    if let served::wl_shm::Request::CreatePool { id, fd: _fd, size } = request {
        assert_eq!(size, 4096);
        data.init(id, ());
    }
});
requests!(served::wl_shm_pool::WlShmPool, served::wl_shm_pool::Request, |server, request, _| {
    if let served::wl_shm_pool::Request::Destroy = request {
        server.received += 1;
    }
});
requests!(
    served::wl_compositor::WlCompositor,
    served::wl_compositor::Request,
    |_, request, data| {
        if let served::wl_compositor::Request::CreateSurface { id } = request {
            data.init(id, ());
        }
    }
);
requests!(served::wl_surface::WlSurface, served::wl_surface::Request, |server, request, _| {
    if let served::wl_surface::Request::Damage { width, .. } = request {
        assert_eq!(width, 1);
        server.received += 1;
    }
});
