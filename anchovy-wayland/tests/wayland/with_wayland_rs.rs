//! The crates wayland-client and wayland-server with their Rust backend: our client with their
//! compositor, and their client with ours.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{
    Answer, Connection, DisplayError, Globals, Limits, Message, ObjectId, Registries, Registry,
    RegistryUpdate, RoundtripError, Signatures, fds,
};

use crate::harness::*;

/// Much longer than any test takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The interface of each object. The test records the objects that it creates.
#[derive(Clone, Debug)]
struct Objects {
    interfaces: Rc<RefCell<HashMap<ObjectId, &'static str>>>,
    count: fn(&str, u16) -> usize,
}

impl Objects {
    fn new(count: fn(&str, u16) -> usize) -> Objects {
        Objects { interfaces: Rc::default(), count }
    }

    fn add(&self, object: ObjectId, interface: &'static str) {
        self.interfaces.borrow_mut().insert(object, interface);
    }

    fn interface(&self, object: ObjectId) -> Option<&'static str> {
        self.interfaces.borrow().get(&object).copied()
    }
}

impl Signatures for Objects {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.interface(object).map_or(0, |interface| (self.count)(interface, opcode))
    }
}

/// A compositor of wayland-rs.
mod compositor {
    use wayland_server::backend::{ClientData, ClientId, DisconnectReason};
    use wayland_server::protocol::{wl_keyboard, wl_seat, wl_shm, wl_shm_pool};
    use wayland_server::{
        Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, New, Resource,
    };

    use super::*;

    /// The requests that it has received, and its behavior.
    #[derive(Default)]
    pub(super) struct Compositor {
        pub(super) pools: Vec<(Identity, i32)>,
        pub(super) destroyed: usize,
        /// Number of keymaps to send for a keyboard.
        pub(super) keymaps: usize,
        pub(super) sent: Vec<Identity>,
        /// Pools of this size are an error.
        pub(super) bad_size: i32,
    }

    /// Whether the client is gone.
    #[derive(Default)]
    struct Gone(AtomicBool);

    impl ClientData for Gone {
        fn disconnected(&self, _: ClientId, _: DisconnectReason) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Serves a client until it is gone.
    pub(super) fn serve(socket: StdUnixStream, mut compositor: Compositor) -> Compositor {
        let mut display = Display::<Compositor>::new().expect("a display");
        let mut handle = display.handle();
        handle.create_global::<Compositor, wl_shm::WlShm, _>(1, ());
        handle.create_global::<Compositor, wl_seat::WlSeat, _>(7, ());
        let gone = Arc::new(Gone::default());
        handle.insert_client(socket, gone.clone()).expect("a client");
        while !gone.0.load(Ordering::Relaxed) {
            {
                let backend = display.backend();
                let mut waits = [rustix::event::PollFd::from_borrowed_fd(
                    backend.poll_fd(),
                    rustix::event::PollFlags::IN,
                )];
                rustix::event::poll(&mut waits, None).expect("an event");
            }
            // An error is that of the client, which is gone then.
            let _ = display.dispatch_clients(&mut compositor);
            let _ = display.flush_clients();
        }
        compositor
    }

    impl GlobalDispatch<wl_shm::WlShm, ()> for Compositor {
        fn bind(
            _: &mut Compositor,
            _: &DisplayHandle,
            _: &Client,
            shm: New<wl_shm::WlShm>,
            _: &(),
            init: &mut DataInit<'_, Compositor>,
        ) {
            init.init(shm, ()).format(wl_shm::Format::Xrgb8888);
        }
    }

    impl Dispatch<wl_shm::WlShm, ()> for Compositor {
        fn request(
            compositor: &mut Compositor,
            _: &Client,
            shm: &wl_shm::WlShm,
            request: wl_shm::Request,
            _: &(),
            _: &DisplayHandle,
            init: &mut DataInit<'_, Compositor>,
        ) {
            let wl_shm::Request::CreatePool { id, fd, size } = request else { panic!("another") };
            init.init(id, ());
            if size == compositor.bad_size {
                shm.post_error(wl_shm::Error::InvalidStride, "this size is bad");
            }
            compositor.pools.push((identity(fd), size));
        }
    }

    impl Dispatch<wl_shm_pool::WlShmPool, ()> for Compositor {
        fn request(
            compositor: &mut Compositor,
            _: &Client,
            _: &wl_shm_pool::WlShmPool,
            request: wl_shm_pool::Request,
            _: &(),
            _: &DisplayHandle,
            _: &mut DataInit<'_, Compositor>,
        ) {
            assert!(matches!(request, wl_shm_pool::Request::Destroy));
            compositor.destroyed += 1;
        }
    }

    impl GlobalDispatch<wl_seat::WlSeat, ()> for Compositor {
        fn bind(
            _: &mut Compositor,
            _: &DisplayHandle,
            _: &Client,
            seat: New<wl_seat::WlSeat>,
            _: &(),
            init: &mut DataInit<'_, Compositor>,
        ) {
            init.init(seat, ());
        }
    }

    impl Dispatch<wl_seat::WlSeat, ()> for Compositor {
        fn request(
            compositor: &mut Compositor,
            _: &Client,
            _: &wl_seat::WlSeat,
            request: wl_seat::Request,
            _: &(),
            _: &DisplayHandle,
            init: &mut DataInit<'_, Compositor>,
        ) {
            let wl_seat::Request::GetKeyboard { id } = request else { panic!("another") };
            let keyboard = init.init(id, ());
            for number in 0..compositor.keymaps {
                let file = memfd();
                compositor.sent.push(identity(&file));
                keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1, file.as_fd(), number as u32);
                keyboard.repeat_info(25, 600);
            }
        }
    }

    impl Dispatch<wl_keyboard::WlKeyboard, ()> for Compositor {
        fn request(
            _: &mut Compositor,
            _: &Client,
            _: &wl_keyboard::WlKeyboard,
            _: wl_keyboard::Request,
            _: &(),
            _: &DisplayHandle,
            _: &mut DataInit<'_, Compositor>,
        ) {
        }
    }
}

use compositor::Compositor;

/// A client of this crate, and the globals of the compositor.
struct OurClient {
    connection: Connection,
    registry: Registry,
}

impl OurClient {
    async fn new(socket: StdUnixStream, limits: Limits) -> OurClient {
        let limits = Limits { reply_timeout: Some(TIMEOUT), ..limits };
        let mut connection = Connection::client(socket, limits).expect("a connection");
        let registry = connection.registry().await.expect("a registry");
        OurClient { connection, registry }
    }

    async fn bind(&mut self, interface: &str, version: u32) -> ObjectId {
        let bound = self.connection.bind(&self.registry, interface, version..=version).await;
        bound.expect("it is there").id
    }

    async fn create_pool(&mut self, shm: ObjectId, size: i32) -> (ObjectId, (Identity, i32)) {
        let file = memfd();
        let created = (identity(&file), size);
        let create_pool = |id| Message::builder(shm, 0).new_id(id).fd(file).int(size);
        let pool = self.connection.feed_create("wl_shm_pool", create_pool).await;
        (pool.expect("it is taken"), created)
    }

    /// The events before the answer to all that was asked.
    async fn roundtrip(&mut self) -> Vec<Message> {
        self.connection.roundtrip().await.expect("a reply");
        let mut events = Vec::new();
        while let Some(event) = at_once(self.connection.receive()).await {
            events.push(event.expect("no error").expect("an event"));
        }
        events
    }
}

/// Our client at their compositor.
async fn at_theirs<T>(
    compositor: Compositor,
    limits: Limits,
    client: impl AsyncFnOnce(&mut OurClient) -> T,
) -> (T, Compositor) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let theirs = tokio::task::spawn_blocking(move || compositor::serve(far, compositor));
    let mut ours = OurClient::new(near, limits).await;
    let value = client(&mut ours).await;
    drop(ours);
    (value, theirs.await.expect("it ends with its client"))
}

#[test]
fn pools_of_our_client_arrive_at_a_wayland_rs_compositor() {
    run(async {
        for own in [false, true] {
            let limits = Limits { fds_with_their_message: own, ..Limits::default() };
            let (sent, theirs) = at_theirs(Compositor::default(), limits, async |ours| {
                let shm = ours.bind("wl_shm", 1).await;
                let mut sent = Vec::new();
                // More than leave in a call.
                for size in 1..=100 {
                    sent.push(ours.create_pool(shm, size).await.1);
                }
                let [format] = &ours.roundtrip().await[..] else { panic!("a format") };
                assert_eq!((format.object(), format.opcode(), format.len()), (shm, 0, 12));
                sent
            })
            .await;
            assert_eq!(theirs.pools, sent);
        }
    });
}

#[test]
fn an_id_that_a_wayland_rs_compositor_frees_is_reused() {
    run(async {
        let (sent, theirs) = at_theirs(Compositor::default(), Limits::default(), async |ours| {
            let shm = ours.bind("wl_shm", 1).await;
            let (pool, first) = ours.create_pool(shm, 1).await;
            ours.roundtrip().await;
            let destroy = Message::builder(pool, 1).build().expect("short");
            ours.connection.send(destroy).await.expect("it leaves");
            ours.roundtrip().await;
            // The callbacks' numbers are lower or higher; all that were freed come again.
            let mut sent = vec![first];
            let mut pools = Vec::new();
            for size in 2..6 {
                let (pool, created) = ours.create_pool(shm, size).await;
                pools.push(pool);
                sent.push(created);
            }
            assert!(pools.contains(&pool), "{pool} was freed: {pools:?}");
            ours.roundtrip().await;
            sent
        })
        .await;
        assert_eq!((theirs.pools, theirs.destroyed), (sent, 1));
    });
}

#[test]
fn keymaps_of_a_wayland_rs_compositor_arrive_with_their_files() {
    run(async {
        let compositor = Compositor { keymaps: 100, ..Compositor::default() };
        let (came, theirs) = at_theirs(compositor, Limits::default(), async |ours| {
            let seat = ours.bind("wl_seat", 7).await;
            let get_keyboard = |id| Message::builder(seat, 1).new_id(id);
            let keyboard = ours.connection.create("wl_keyboard", get_keyboard).await;
            let keyboard = keyboard.expect("it leaves");
            let mut came = Vec::new();
            for mut event in ours.roundtrip().await {
                assert_eq!(event.object(), keyboard);
                let mut arguments = event.read();
                if arguments.uint() == Ok(25) {
                    continue;
                }
                came.push(identity(arguments.fd().expect("a descriptor")));
                assert_eq!(arguments.uint(), Ok(came.len() as u32 - 1));
                arguments.finish().expect("nothing is left");
            }
            came
        })
        .await;
        assert_eq!(came.len(), 100);
        assert_eq!(theirs.sent, came);
    });
}

#[test]
fn an_error_of_a_wayland_rs_compositor_has_its_type() {
    run(async {
        let compositor = Compositor { bad_size: 13, ..Compositor::default() };
        at_theirs(compositor, Limits::default(), async |ours| {
            let shm = ours.bind("wl_shm", 1).await;
            ours.create_pool(shm, 13).await;
            let error = ours.connection.roundtrip().await.expect_err("an error");
            let RoundtripError::Display(error) = error else { panic!("{error:?}") };
            let DisplayError { object, code, text, interface, .. } = error;
            assert_eq!((object, code, &*text), (shm.get(), 1, "this size is bad"));
            assert_eq!(interface.as_deref(), Some("wl_shm"));
        })
        .await;
    });
}

/// Their client.
mod client {
    use wayland_client::globals::{GlobalListContents, registry_queue_init};
    use wayland_client::protocol::{
        wl_data_device_manager, wl_data_source, wl_keyboard, wl_registry, wl_seat, wl_shm,
        wl_shm_pool,
    };
    use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};

    use super::*;

    /// The events that it has received.
    #[derive(Debug, Default)]
    pub(super) struct Seen {
        pub(super) keymaps: Vec<(Identity, u32)>,
        pub(super) formats: usize,
        pub(super) globals: Vec<(String, u32)>,
    }

    /// A client with all that it needs.
    pub(super) struct Client {
        pub(super) connection: Connection,
        pub(super) queue: EventQueue<Seen>,
        pub(super) globals: wayland_client::globals::GlobalList,
        pub(super) seen: Seen,
    }

    impl Client {
        pub(super) fn new(socket: StdUnixStream) -> Client {
            let connection = Connection::from_socket(socket).expect("a connection");
            let (globals, queue) = registry_queue_init::<Seen>(&connection).expect("a registry");
            let list = globals.contents().clone_list();
            let list = list.into_iter().map(|global| (global.interface, global.version)).collect();
            let seen = Seen { globals: list, ..Seen::default() };
            Client { connection, queue, globals, seen }
        }

        pub(super) fn shm(&self) -> wl_shm::WlShm {
            self.globals.bind(&self.queue.handle(), 1..=1, ()).expect("it is there")
        }

        pub(super) fn seat(&self) -> wl_seat::WlSeat {
            self.globals.bind(&self.queue.handle(), 1..=7, ()).expect("it is there")
        }

        pub(super) fn roundtrip(&mut self) -> Result<usize, wayland_client::DispatchError> {
            self.queue.roundtrip(&mut self.seen)
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

    impl Dispatch<wl_shm::WlShm, ()> for Seen {
        fn event(
            seen: &mut Seen,
            _: &wl_shm::WlShm,
            _: wl_shm::Event,
            _: &(),
            _: &Connection,
            _: &QueueHandle<Seen>,
        ) {
            seen.formats += 1;
        }
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
            seen.keymaps.push((identity(fd), size));
        }
    }

    delegate_noop!(Seen: ignore wl_data_device_manager::WlDataDeviceManager);
    delegate_noop!(Seen: ignore wl_data_source::WlDataSource);
    delegate_noop!(Seen: ignore wl_registry::WlRegistry);
    delegate_noop!(Seen: ignore wl_shm_pool::WlShmPool);
    delegate_noop!(Seen: ignore wl_seat::WlSeat);
}

use client::Client;

/// Our compositor: what it has seen, and what it is to do.
struct OurCompositor {
    connection: Connection<Objects>,
    objects: Objects,
    globals: Globals,
    registries: Registries,
    pools: Vec<(ObjectId, Identity, i32)>,
    sent: Vec<(Identity, u32)>,
    /// Pools of this size are an error.
    bad_size: i32,
}

impl OurCompositor {
    fn new(socket: StdUnixStream, limits: Limits) -> OurCompositor {
        let objects = Objects::new(fds::requests);
        let connection = Connection::new(socket, objects.clone(), limits).expect("a connection");
        let mut globals = Globals::new();
        globals.add("wl_shm", 1).expect("a good global");
        globals.add("wl_seat", 7).expect("a good global");
        let registries = Registries::new();
        let (pools, sent, bad_size) = (Vec::new(), Vec::new(), -1);
        OurCompositor { connection, objects, globals, registries, pools, sent, bad_size }
    }

    async fn feed(&mut self, message: anchovy_wayland::MessageBuilder) {
        self.connection.feed(message.build().expect("short")).await.expect("it is taken");
    }

    /// Serves until the client is gone, or has done something wrong.
    async fn serve(&mut self) {
        while let Some(request) = self.next().await {
            if let Err(error) = self.answer(request).await {
                self.connection.send(error.message()).await.expect("it can be sent");
                return;
            }
            self.connection.flush().await.expect("it leaves");
        }
    }

    async fn next(&mut self) -> Option<Message> {
        match self.connection.receive().await {
            Ok(request) => request,
            Err(error) => {
                if let Some(words) = DisplayError::from_receive_error(&error) {
                    self.connection.send(words.message()).await.expect("it can be sent");
                }
                None
            }
        }
    }

    async fn answer(&mut self, mut request: Message) -> Result<(), DisplayError> {
        match self.registries.answer(&self.globals, &request)? {
            Answer::Events(events) => {
                for event in events {
                    self.connection.feed(event).await.expect("it is taken");
                }
                return Ok(());
            }
            Answer::Bind(bind) => {
                let mut known = ["wl_shm", "wl_seat"].into_iter();
                let interface = known.find(|known| *known == bind.interface);
                self.objects.add(bind.id, interface.expect("one that was announced"));
                return Ok(());
            }
            _ => {}
        }
        let (object, opcode) = (request.object(), request.opcode());
        let mut arguments = request.read();
        match (self.objects.interface(object), opcode) {
            (Some("wl_shm"), 0) => {
                let pool = arguments.new_id()?;
                let (file, size) = (arguments.fd()?, arguments.int()?);
                arguments.finish()?;
                if size == self.bad_size {
                    return Err(DisplayError::new(object, 1, "this size is bad"));
                }
                self.objects.add(pool, "wl_shm_pool");
                self.pools.push((pool, identity(file), size));
            }
            (Some("wl_shm_pool"), 1) => {
                arguments.finish()?;
                let delete = Message::builder(ObjectId::DISPLAY, wl_display::DELETE_ID);
                self.feed(delete.uint(object.get())).await;
            }
            (Some("wl_seat"), 1) => {
                let keyboard = arguments.new_id()?;
                arguments.finish()?;
                self.objects.add(keyboard, "wl_keyboard");
                for number in 0..100 {
                    let file = memfd();
                    self.sent.push((identity(&file), number));
                    self.feed(Message::builder(keyboard, 0).uint(1).fd(file).uint(number)).await;
                }
            }
            (known, _) => panic!("{opcode} of {known:?}"),
        }
        Ok(())
    }
}

/// The requests that our compositor has received, and the descriptors that it has sent.
struct Done {
    pools: Vec<(ObjectId, Identity, i32)>,
    sent: Vec<(Identity, u32)>,
}

/// Runs a wayland-rs client with our compositor.
async fn at_ours<T: Send + 'static>(
    limits: Limits,
    bad_size: i32,
    client: impl FnOnce(Client) -> T + Send + 'static,
) -> (T, Done) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let theirs = tokio::task::spawn_blocking(move || client(Client::new(far)));
    let mut ours = OurCompositor::new(near, limits);
    ours.bad_size = bad_size;
    ours.serve().await;
    // It stays open meanwhile: they may still be writing, and stop at the first write that fails.
    let value = theirs.await.expect("it ends");
    (value, Done { pools: std::mem::take(&mut ours.pools), sent: std::mem::take(&mut ours.sent) })
}

#[test]
fn a_wayland_rs_client_receives_our_globals() {
    run(async {
        let (globals, _) = at_ours(Limits::default(), -1, |mut client| {
            client.roundtrip().expect("an answer");
            client.seen.globals
        })
        .await;
        assert_eq!(globals, [("wl_shm".to_owned(), 1), ("wl_seat".to_owned(), 7)]);
    });
}

#[test]
fn pools_of_a_wayland_rs_client_arrive_with_their_files() {
    run(async {
        let (sent, ours) = at_ours(Limits::default(), -1, |mut client| {
            let shm = client.shm();
            // More than leave in a call.
            let files = memfds(100);
            for (size, file) in files.iter().enumerate() {
                shm.create_pool(file.as_fd(), size as i32, &client.queue.handle(), ());
            }
            client.roundtrip().expect("an answer");
            identities(&files)
        })
        .await;
        let came: Vec<Identity> = ours.pools.iter().map(|pool| pool.1).collect();
        assert_eq!(came, sent);
        assert!(ours.pools.iter().zip(0..).all(|(pool, size)| pool.2 == size));
    });
}

#[test]
fn an_id_that_our_compositor_frees_is_reused_by_wayland_rs() {
    run(async {
        let ((), ours) = at_ours(Limits::default(), -1, |mut client| {
            let (shm, file) = (client.shm(), memfd());
            let pool = shm.create_pool(file.as_fd(), 1, &client.queue.handle(), ());
            pool.destroy();
            client.roundtrip().expect("an answer");
            // One of these has the callback's number, which is free as well.
            for size in 2..4 {
                shm.create_pool(file.as_fd(), size, &client.queue.handle(), ());
            }
            client.roundtrip().expect("an answer");
        })
        .await;
        let [first, others @ ..] = &ours.pools[..] else { panic!("{:?}", ours.pools) };
        assert_eq!(others.len(), 2);
        assert!(others.iter().any(|other| other.0 == first.0), "{:?}", ours.pools);
    });
}

#[test]
fn our_keymaps_arrive_at_a_wayland_rs_client() {
    run(async {
        for own in [false, true] {
            let limits = Limits { fds_with_their_message: own, ..Limits::default() };
            let (came, ours) = at_ours(limits, -1, |mut client| {
                client.seat().get_keyboard(&client.queue.handle(), ());
                client.roundtrip().expect("an answer");
                client.seen.keymaps
            })
            .await;
            assert_eq!(came.len(), 100);
            assert_eq!(came, ours.sent);
        }
    });
}

/// The error that their client ends with.
fn protocol_error(
    error: wayland_client::DispatchError,
) -> wayland_client::backend::protocol::ProtocolError {
    use wayland_client::DispatchError;
    use wayland_client::backend::WaylandError;
    match error {
        DispatchError::Backend(WaylandError::Protocol(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_display_error_is_a_protocol_error_in_wayland_rs() {
    run(async {
        let ((error, shm), _) = at_ours(Limits::default(), 13, |mut client| {
            use wayland_client::Proxy;
            let (shm, file) = (client.shm(), memfd());
            shm.create_pool(file.as_fd(), 13, &client.queue.handle(), ());
            let error = protocol_error(client.roundtrip().expect_err("an error"));
            assert!(client.connection.protocol_error().is_some());
            (error, shm.id().protocol_id())
        })
        .await;
        assert_eq!((error.code, error.object_id), (1, shm));
        assert_eq!((&*error.object_interface, &*error.message), ("wl_shm", "this size is bad"));
    });
}

#[test]
fn a_receive_error_is_a_protocol_error_in_wayland_rs() {
    use wayland_client::protocol::wl_data_device_manager::WlDataDeviceManager;
    run(async {
        let (near, far) = StdUnixStream::pair().expect("a pair");
        let theirs = tokio::task::spawn_blocking(move || {
            let connection = wayland_client::Connection::from_socket(far).expect("a connection");
            let queue = connection.new_event_queue::<client::Seen>();
            let handle = queue.handle();
            let registry = connection.display().get_registry(&handle, ());
            let manager: WlDataDeviceManager = registry.bind(1, 3, &handle, ());
            // Their crate sends more than libwayland reads.
            manager.create_data_source(&handle, ()).offer("x".repeat(5000));
            let error = connection.roundtrip().expect_err("an error");
            protocol_error(wayland_client::DispatchError::Backend(error))
        });
        let mut ours = connection(near, Limits::default());
        let error = loop {
            match ours.receive().await {
                Ok(request) => assert!(request.is_some(), "they wait for an answer"),
                Err(error) => break error,
            }
        };
        let words = DisplayError::from_receive_error(&error).expect("something to tell");
        ours.send(words.message()).await.expect("it can be sent");
        // It stays open meanwhile: they may still be writing, and stop at the first write that fails.
        let error = theirs.await.expect("it ends");
        drop(ours);
        assert_eq!((error.code, error.object_id), (DisplayError::INVALID_METHOD, 1));
        assert_eq!(error.message, "message length 5016 exceeds 4096");
    });
}

#[test]
fn globals_that_a_wayland_rs_compositor_changes_are_reported() {
    run(async {
        let (near, far) = StdUnixStream::pair().expect("a pair");
        let mut display = wayland_server::Display::<Compositor>::new().expect("a display");
        let mut handle = display.handle();
        handle.create_global::<Compositor, wayland_server::protocol::wl_shm::WlShm, _>(1, ());
        handle.insert_client(far, Arc::new(())).expect("a client");
        let mut state = Compositor::default();

        let mut ours = Connection::client(near, Limits::default()).expect("a connection");
        let mut serve = || {
            display.dispatch_clients(&mut state).expect("requests");
            display.flush_clients().expect("events");
        };
        let mut registry = {
            let mut asked = std::pin::pin!(ours.registry());
            loop {
                if let Some(registry) = at_once(asked.as_mut()).await {
                    break registry.expect("a registry");
                }
                serve();
            }
        };
        assert_eq!(registry.globals().len(), 1);
        let seat =
            handle.create_global::<Compositor, wayland_server::protocol::wl_seat::WlSeat, _>(3, ());
        handle.disable_global::<Compositor>(seat);
        serve();
        let mut updates = Vec::new();
        while updates.len() < 2 {
            let event = ours.receive().await.expect("no error").expect("an event");
            updates.extend(registry.update(&event).expect("it is well formed"));
        }
        let [RegistryUpdate::Added(added), RegistryUpdate::Removed(removed)] = &updates[..] else {
            panic!("{updates:?}")
        };
        assert_eq!((&*added.interface, added.version), ("wl_seat", 3));
        assert_eq!(added, removed);
    });
}
