"""A client on libwayland: asks for globals, makes pools or gets keymaps, and tells of it."""

import os
import sys
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_uint32, c_void_p

from libwayland import Argument, Library, say

client = Library("libwayland-client.so.0")
connect = client.function("wl_display_connect_to_fd", c_void_p, c_int)
disconnect = client.function("wl_display_disconnect", None, c_void_p)
roundtrip = client.function("wl_display_roundtrip", c_int, c_void_p)
listen = client.function("wl_proxy_add_listener", c_int, c_void_p, c_void_p, c_void_p)
marshal = client.function(
    "wl_proxy_marshal_array_constructor_versioned",
    c_void_p, c_void_p, c_uint32, POINTER(Argument), c_void_p, c_uint32,
)

GET_REGISTRY, BIND, CREATE_POOL, GET_KEYBOARD = 1, 0, 0, 1
globals_seen = {}
keymaps = []


def construct(proxy, opcode, interface, version, *arguments):
    array = (Argument * len(arguments))(*arguments)
    made = marshal(proxy, opcode, array, client.interface(interface), version)
    assert made, interface
    return made


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_char_p, c_uint32)
def added(data, registry, name, interface, version):
    globals_seen[interface.decode()] = (name, version)


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
def removed(data, registry, name):
    pass


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_int32, c_uint32)
def keymap(data, keyboard, form, fd, size):
    say("keymap", fd)
    keymaps.append(os.close(fd))
    assert size == len(keymaps), "its size is its number"


def bind(interface):
    name, _ = globals_seen[interface]
    arguments = [Argument(u=name), Argument(s=interface.encode()), Argument(u=1), Argument(o=None)]
    return construct(registry, BIND, interface, 1, *arguments)


display = connect(os.dup(0))
os.close(0)
registry = construct(display, GET_REGISTRY, "wl_registry", 1, Argument(o=None))
listen(registry, client.table(added, removed), None)
assert roundtrip(display) >= 0

if sys.argv[1] == "globals":
    for interface, (_, version) in globals_seen.items():
        print("global", interface, version)
elif sys.argv[1] == "pools":
    shm = bind("wl_shm")
    # Kept until all are sent, so that no two have the same number.
    files = [os.memfd_create("pool") for _ in range(int(sys.argv[2]))]
    for size, fd in enumerate(files, 1):
        say("pool", fd)
        arguments = [Argument(o=None), Argument(h=fd), Argument(i=size)]
        construct(shm, CREATE_POOL, "wl_shm_pool", 1, *arguments)
elif sys.argv[1] == "keymaps":
    keyboard = construct(bind("wl_seat"), GET_KEYBOARD, "wl_keyboard", 1, Argument(o=None))
    listen(keyboard, client.table(keymap), None)
assert roundtrip(display) >= 0
disconnect(display)
