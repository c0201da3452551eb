//! A compositor of libwayland 1.21: bursts of descriptors in both directions, and the errors that it
//! reports.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{
    Connection, DisplayError, Limits, Message, ObjectId, Objects, OwnedWriteHalf, RoundtripError,
};
use tokio::sync::Mutex;

use crate::harness::*;

/// A compositor that prints the pools of its `wl_shm`, and sends a given number of keymaps for each
/// keyboard of its `wl_seat`.
const COMPOSITOR: &str = "
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int32, c_uint32, c_void_p
lib = ctypes.CDLL('libwayland-server.so.0')
def declare(name, result, *arguments):
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments
    return function
class List(Structure):
    _fields_ = [('prev', c_void_p), ('next', c_void_p)]
class Argument(ctypes.Union):
    _fields_ = [('u', c_uint32), ('h', c_int32), ('o', c_void_p)]
BIND = CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_uint32)
create = declare('wl_display_create', c_void_p)
destroy = declare('wl_display_destroy', None, c_void_p)
clients = declare('wl_display_get_client_list', POINTER(List), c_void_p)
loop_of = declare('wl_display_get_event_loop', c_void_p, c_void_p)
dispatch = declare('wl_event_loop_dispatch', c_int, c_void_p, c_int)
flush = declare('wl_display_flush_clients', None, c_void_p)
client_create = declare('wl_client_create', c_void_p, c_void_p, c_int)
add_global = declare('wl_global_create', c_void_p, c_void_p, c_void_p, c_int, c_void_p, BIND)
resource_create = declare('wl_resource_create', c_void_p, c_void_p, c_void_p, c_int, c_uint32)
implement = declare('wl_resource_set_implementation', None, c_void_p, c_void_p, c_void_p, c_void_p)
post = declare('wl_resource_post_event_array', None, c_void_p, c_uint32, POINTER(Argument))
def interface(name):
    return ctypes.addressof(c_void_p.in_dll(lib, name + '_interface'))
def say(what, fd):
    stat = os.fstat(fd)
    print(what, stat.st_dev, stat.st_ino)
def methods(*functions):
    table = (c_void_p * len(functions))(*[ctypes.cast(f, c_void_p) for f in functions])
    keep.append((table, functions))
    return ctypes.addressof(table)
keep = []

@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_int32, c_int32)
def create_pool(client, shm, id, fd, size):
    say('pool', fd)
    os.close(fd)
    resource_create(client, interface('wl_shm_pool'), 1, id)
shm_methods = methods(create_pool)
@BIND
def bind_shm(client, data, version, id):
    implement(resource_create(client, interface('wl_shm'), version, id), shm_methods, None, None)

@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
def get_pointer(client, seat, id):
    pass
@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
def get_keyboard(client, seat, id):
    keyboard = resource_create(client, interface('wl_keyboard'), 1, id)
    for number in range(KEYMAPS):
        fd = os.memfd_create('keymap')
        say('keymap', fd)
        arguments = (Argument * 3)(Argument(u=1), Argument(h=fd), Argument(u=number))
        post(keyboard, 0, arguments)
        os.close(fd)
seat_methods = methods(get_pointer, get_keyboard, get_pointer)
@BIND
def bind_seat(client, data, version, id):
    implement(resource_create(client, interface('wl_seat'), version, id), seat_methods, None, None)

display = create()
add_global(display, interface('wl_shm'), 1, None, bind_shm)
add_global(display, interface('wl_seat'), 1, None, bind_seat)
client_create(display, os.dup(0))
s.close()
loop = loop_of(display)
while True:
    head = clients(display)
    if head.contents.next == ctypes.addressof(head.contents):
        break
    dispatch(loop, -1)
    flush(display)
destroy(display)
";

/// The output of the compositor: the pools that it received, and the keymaps that it sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Observed {
    pools: Vec<Identity>,
    keymaps: Vec<Identity>,
}

/// Runs a client of the compositor, which sends so many keymaps, until the client is done.
async fn with_compositor<T>(
    keymaps: usize,
    client: impl AsyncFnOnce(StdUnixStream) -> T,
) -> (T, Observed) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let script = format!("KEYMAPS = {keymaps}\n{COMPOSITOR}");
    let compositor = tokio::task::spawn_blocking(move || python(OwnedFd::from(far), &script));
    let value = client(near).await;
    let said = compositor.await.expect("it ends with its client");
    let mut observed = Observed::default();
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, device, inode] = words[..] else { panic!("{line}") };
        let identity = (device.parse().expect("a number"), inode.parse().expect("a number"));
        match what {
            "pool" => observed.pools.push(identity),
            "keymap" => observed.keymaps.push(identity),
            _ => panic!("{line}"),
        }
    }
    (value, observed)
}

/// A client that has bound this interface, and the object.
async fn bound(socket: StdUnixStream, limits: Limits, interface: &str) -> (Connection, ObjectId) {
    // More than a compositor takes on a busy machine.
    let limits = Limits { reply_timeout: Some(Duration::from_secs(30)), ..limits };
    let mut client = Connection::client(socket, limits).expect("a client");
    let registry = client.registry().await.expect("a registry");
    let object = client.bind(&registry, interface, 1..=1).await.expect("the compositor has it");
    (client, object.id)
}

#[test]
fn a_hundred_create_pools_in_one_flush_arrive_whole() {
    run(async {
        for own in [false, true] {
            let limits = Limits { fds_with_their_message: own, ..Limits::default() };
            let (sent, observed) = with_compositor(0, async |socket| {
                let (mut client, shm) = bound(socket, limits, "wl_shm").await;
                let mut sent = Vec::new();
                for _ in 0..100 {
                    sent.push(feed_create_pool(&mut client, shm, 4096).await);
                }
                client.roundtrip().await.expect("it leaves");
                sent
            })
            .await;
            assert_eq!(observed, Observed { pools: sent, keymaps: Vec::new() });
        }
    });
}

#[test]
fn more_pools_than_a_socket_has_room_for_arrive_whole() {
    run(async {
        let (sent, observed) = with_compositor(0, async |socket| {
            let (mut client, shm) = bound(socket, Limits::default(), "wl_shm").await;
            let mut sent = Vec::new();
            for number in 0..1500 {
                sent.push(feed_create_pool(&mut client, shm, number).await);
            }
            client.roundtrip().await.expect("it leaves");
            sent
        })
        .await;
        assert_eq!(observed.pools, sent);
    });
}

#[test]
fn a_hundred_keymaps_of_libwayland_arrive_whole() {
    run(async {
        let (came, observed) = with_compositor(100, async |socket| {
            let (mut client, seat) = bound(socket, Limits::default(), "wl_seat").await;
            let get_keyboard = |id| Message::builder(seat, 1).new_id(id);
            let keyboard = client.create("wl_keyboard", get_keyboard).await.expect("it leaves");
            client.roundtrip().await.expect("a reply");
            let mut came = Vec::new();
            while let Some(event) = at_once(client.receive()).await {
                let mut keymap = event.expect("no error").expect("an event");
                if keymap.object() != keyboard {
                    continue;
                }
                let mut arguments = keymap.read();
                assert_eq!(arguments.uint(), Ok(1));
                let number = came.len() as u32;
                came.push(identity(arguments.fd().expect("a descriptor")));
                assert_eq!(arguments.uint(), Ok(number));
                arguments.finish().expect("nothing is left");
            }
            came
        })
        .await;
        assert_eq!(came.len(), 100);
        assert_eq!(observed, Observed { pools: Vec::new(), keymaps: came });
    });
}

#[test]
fn tasks_that_create_objects_while_ids_are_freed_leave_no_gap_for_libwayland() {
    run_on_threads(async {
        let ((), observed) = with_compositor(0, async |socket| {
            let (client, shm) = bound(socket, Limits::default(), "wl_shm").await;
            let (mut read, write) = client.into_split();
            let write = Arc::new(Mutex::new(write));
            let tasks = [(); 2].map(|()| tokio::spawn(make_callbacks(Arc::clone(&write), shm)));
            let receiving = tokio::spawn(async move {
                let mut done = 0;
                while done < 2 * CALLBACKS {
                    let event = read.receive().await.expect("no error").expect("an event");
                    done += u32::from(event.object() != shm);
                }
                read
            });
            for task in tasks {
                task.await.expect("a task");
            }
            let read = receiving.await.expect("the reading task");
            let write = Arc::into_inner(write).expect("the tasks have ended").into_inner();
            // It is not disconnected, and has used ids again.
            let mut client = read.reunite(write).expect("they are of one connection");
            client.roundtrip().await.expect("a reply");
        })
        .await;
        assert_eq!(observed.pools.len(), CALLBACKS as usize);
    });
}

/// Callbacks that each task makes.
const CALLBACKS: u32 = 200;

/// Makes callbacks, whose ids are freed at once, and pools, whose ids are not.
async fn make_callbacks(write: Arc<Mutex<OwnedWriteHalf<Objects>>>, shm: ObjectId) {
    for number in 0..CALLBACKS {
        let sync = |id| Message::builder(ObjectId::DISPLAY, wl_display::SYNC).new_id(id);
        let mut write = write.lock().await;
        write.create("wl_callback", sync).await.expect("it leaves");
        if number % 2 == 0 {
            let file = memfd();
            let create_pool = |id| Message::builder(shm, 0).new_id(id).fd(file).int(4096);
            write.create("wl_shm_pool", create_pool).await.expect("it leaves");
        }
        drop(write);
        tokio::task::yield_now().await;
    }
}

/// Creates a pool with the next flush, and returns its file.
async fn feed_create_pool(client: &mut Connection, shm: ObjectId, size: i32) -> Identity {
    let file = memfd();
    let created = identity(&file);
    let create_pool = |id| Message::builder(shm, 0).new_id(id).fd(file).int(size);
    client.feed_create("wl_shm_pool", create_pool).await.expect("it is taken");
    created
}

/// Returns the error that libwayland reports for a request.
async fn display_error_after(request: impl AsyncFnOnce(&mut Connection, ObjectId)) -> DisplayError {
    let (error, _) = with_compositor(0, async |socket| {
        let (mut client, shm) = bound(socket, Limits::default(), "wl_shm").await;
        request(&mut client, shm).await;
        let RoundtripError::Display(error) = client.roundtrip().await.expect_err("an error") else {
            panic!("another error")
        };
        error
    })
    .await;
    error
}

#[test]
fn an_error_that_libwayland_reports_has_its_type_and_its_interface() {
    run(async {
        let error = display_error_after(async |client, shm| {
            let without_fd = |id| Message::builder(shm, 0).new_id(id).int(4096);
            client.create("wl_shm_pool", without_fd).await.expect("it leaves");
        })
        .await;
        assert_eq!((error.object, error.code), (1, DisplayError::INVALID_METHOD));
        assert_eq!(error.interface.as_deref(), Some("wl_display"));
        assert!(error.text.starts_with("invalid arguments for wl_shm"), "{error}");

        let error = display_error_after(async |client, _| {
            client
                .send(Message::builder(id(77), 0).build().expect("short"))
                .await
                .expect("it leaves");
        })
        .await;
        assert_eq!((error.object, error.code), (1, DisplayError::INVALID_OBJECT));
        assert_eq!(error.text, "invalid object 77");

        let error = display_error_after(async |client, _| {
            let bind =
                |id| Message::builder(self::id(2), 0).uint(1).untyped_new_id("wl_shm", 99, id);
            client.create("wl_shm", bind).await.expect("it leaves");
        })
        .await;
        assert_eq!((error.object, error.code), (2, DisplayError::INVALID_OBJECT));
        assert_eq!(error.interface.as_deref(), Some("wl_registry"));
        assert!(error.text.contains("have 1, wanted 99"), "{error}");
    });
}
