//! A compositor of libwayland 1.21: what it reads of bursts of ours, what we read of its own, and
//! what it says of a client that strays.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{ClientIds, Connection, DisplayError, Limits, Message, ObjectId, fds};

use crate::harness::*;

/// A compositor with a `wl_shm`, whose pools it prints, and a `wl_seat`, whose keyboards have as
/// many keymaps as it is told, which it prints.
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

/// What the compositor told of: pools that it got, or keymaps that it sent.
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

/// More than a compositor takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The keyboard, which is the fifth object of the client that has one.
const KEYBOARD: u32 = 6;

fn client_counts(object: ObjectId, opcode: u16) -> usize {
    if object.get() == KEYBOARD { fds::events("wl_keyboard", opcode) } else { 0 }
}

/// A client that has bound this interface, and the object.
async fn bound(
    socket: StdUnixStream,
    limits: Limits,
    interface: &str,
) -> (Connection<Counts>, ClientIds, ObjectId) {
    let mut client = Connection::new(socket, client_counts as Counts, limits).expect("a client");
    let mut ids = ClientIds::new();
    let registry = client.registry(&mut ids, TIMEOUT).await.expect("a registry");
    let global = registry.find(interface).expect("the compositor has it");
    // The number of the callback is free again once the compositor says so.
    let delete_id = client.receive().await.expect("no error").expect("a message");
    assert_eq!(
        (delete_id.object(), delete_id.opcode()),
        (ObjectId::DISPLAY, wl_display::DELETE_ID)
    );
    assert_eq!(u32::from_ne_bytes(delete_id.arguments()[..].try_into().expect("a word")), 3);
    let object = ids.take().expect("a number");
    client.send(registry.bind(global, 1, object).expect("a request")).await.expect("it is sent");
    (client, ids, object)
}

/// Waits until the compositor has done all that it was asked for.
async fn roundtrip(client: &mut Connection<Counts>, callback: ObjectId) -> Vec<Message> {
    let sync = Message::builder(ObjectId::DISPLAY, wl_display::SYNC).new_id(callback);
    client.send(sync.build().expect("short")).await.expect("it is sent");
    let mut before = Vec::new();
    loop {
        let event = client.receive().await.expect("no error").expect("an event");
        if event.object() == callback {
            return before;
        }
        if let Some(error) = DisplayError::read(&event).expect("it is well formed") {
            panic!("{error}");
        }
        before.push(event);
    }
}

#[test]
fn a_hundred_create_pools_in_one_flush_arrive_whole() {
    run(async {
        for own in [false, true] {
            let limits = Limits { fds_with_their_message: own, ..Limits::default() };
            let (sent, observed) = with_compositor(0, async |socket| {
                let (mut client, mut ids, shm) = bound(socket, limits, "wl_shm").await;
                let mut sent = Vec::new();
                for _ in 0..100 {
                    let file = memfd();
                    sent.push(identity(&file));
                    let pool = Message::builder(shm, 0).new_id(ids.take().expect("a number"));
                    let pool = pool.fd(file).int(4096).build().expect("short");
                    client.feed(pool).await.expect("it is taken");
                }
                client.flush().await.expect("it leaves");
                roundtrip(&mut client, ids.take().expect("a number")).await;
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
            let (mut client, mut ids, shm) = bound(socket, Limits::default(), "wl_shm").await;
            let mut sent = Vec::new();
            for number in 0..1500 {
                let file = memfd();
                sent.push(identity(&file));
                let pool = Message::builder(shm, 0).new_id(ids.take().expect("a number"));
                let pool = pool.fd(file).int(number).build().expect("short");
                client.feed(pool).await.expect("it is taken");
            }
            roundtrip(&mut client, ids.take().expect("a number")).await;
            sent
        })
        .await;
        assert_eq!(observed.pools, sent);
    });
}

#[test]
fn a_hundred_keymaps_arrive_whole_at_us() {
    run(async {
        let (came, observed) = with_compositor(100, async |socket| {
            let (mut client, mut ids, seat) = bound(socket, Limits::default(), "wl_seat").await;
            let callback = ids.take().expect("a number");
            let keyboard = ids.take().expect("a number");
            assert_eq!((callback.get() + 1, keyboard.get()), (KEYBOARD, KEYBOARD));
            // In order: numbers are dense.
            let sync = Message::builder(ObjectId::DISPLAY, wl_display::SYNC).new_id(callback);
            client.feed(sync.build().expect("short")).await.expect("it is taken");
            let get = Message::builder(seat, 1).new_id(keyboard).build().expect("short");
            client.feed(get).await.expect("it is taken");
            let events = roundtrip(&mut client, ids.take().expect("a number")).await;
            let keymaps = events.into_iter().filter(|event| event.object() == keyboard);
            let mut came = Vec::new();
            for (number, mut keymap) in keymaps.enumerate() {
                let mut arguments = keymap.read();
                assert_eq!(arguments.uint(), Ok(1));
                came.push(identity(arguments.fd().expect("a descriptor")));
                assert_eq!(arguments.uint(), Ok(number as u32));
                arguments.finish().expect("nothing is left");
            }
            came
        })
        .await;
        assert_eq!(came.len(), 100);
        assert_eq!(observed, Observed { pools: Vec::new(), keymaps: came });
    });
}

/// What libwayland says of a request of ours, before it closes.
async fn display_error_after(
    request: impl FnOnce(ObjectId, &mut ClientIds) -> Message,
) -> DisplayError {
    let (error, _) = with_compositor(0, async |socket| {
        let (mut client, mut ids, shm) = bound(socket, Limits::default(), "wl_shm").await;
        client.send(request(shm, &mut ids)).await.expect("it is sent");
        let event = client.receive().await.expect("no error").expect("an event");
        let error = DisplayError::read(&event).expect("it is well formed").expect("an error");
        assert!(client.receive().await.expect("no error").is_none());
        error
    })
    .await;
    error
}

#[test]
fn what_libwayland_has_against_a_client_is_read_with_its_type() {
    run(async {
        let error = display_error_after(|shm, ids| {
            let pool = ids.take().expect("a number");
            Message::builder(shm, 0).new_id(pool).int(4096).build().expect("short")
        })
        .await;
        assert_eq!((error.object, error.code), (1, DisplayError::INVALID_METHOD));
        assert!(error.text.starts_with("invalid arguments for wl_shm"), "{error}");

        let error =
            display_error_after(|_, _| Message::builder(id(77), 0).build().expect("short")).await;
        assert_eq!((error.object, error.code), (1, DisplayError::INVALID_OBJECT));
        assert_eq!(error.text, "invalid object 77");

        let error = display_error_after(|_, _| {
            let bind = Message::builder(id(2), 0).uint(1).untyped_new_id("wl_shm", 99, id(5));
            bind.build().expect("short")
        })
        .await;
        assert_eq!((error.object, error.code), (2, DisplayError::INVALID_OBJECT));
        assert!(error.text.contains("have 1, wanted 99"), "{error}");
    });
}
