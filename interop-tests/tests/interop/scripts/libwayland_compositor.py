"""A compositor on libwayland: serves one client to its end, and tells of pools and keymaps."""

import os
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, addressof, c_int, c_int32, c_uint32, c_void_p

from libwayland import Argument, Library, say

server = Library("libwayland-server.so.0")


class List(Structure):
    """wl_list"""

    _fields_ = [("prev", c_void_p), ("next", c_void_p)]


BIND = CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_uint32)
create = server.function("wl_display_create", c_void_p)
destroy = server.function("wl_display_destroy", None, c_void_p)
clients = server.function("wl_display_get_client_list", POINTER(List), c_void_p)
loop_of = server.function("wl_display_get_event_loop", c_void_p, c_void_p)
dispatch = server.function("wl_event_loop_dispatch", c_int, c_void_p, c_int)
flush = server.function("wl_display_flush_clients", None, c_void_p)
client_create = server.function("wl_client_create", c_void_p, c_void_p, c_int)
add_global = server.function(
    "wl_global_create", c_void_p, c_void_p, c_void_p, c_int, c_void_p, BIND
)
resource_create = server.function(
    "wl_resource_create", c_void_p, c_void_p, c_void_p, c_int, c_uint32
)
implement = server.function(
    "wl_resource_set_implementation", None, c_void_p, c_void_p, c_void_p, c_void_p
)
post = server.function(
    "wl_resource_post_event_array", None, c_void_p, c_uint32, POINTER(Argument)
)

KEYMAP = 0
files = []


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_int32, c_int32)
def create_pool(client, shm, number, fd, size):
    say("pool", fd)
    os.close(fd)
    resource_create(client, server.interface("wl_shm_pool"), 1, number)


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
def get_nothing(client, seat, number):
    pass


@CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
def get_keyboard(client, seat, number):
    keyboard = resource_create(client, server.interface("wl_keyboard"), 1, number)
    for size in range(1, int(sys.argv[1]) + 1):
        # Kept to the end, so that no two have the same number.
        files.append(os.memfd_create("keymap"))
        say("keymap", files[-1])
        arguments = (Argument * 3)(Argument(u=1), Argument(h=files[-1]), Argument(u=size))
        post(keyboard, KEYMAP, arguments)


def binder(interface, *functions):
    methods = server.table(*functions)

    @BIND
    def bind(client, data, version, number):
        bound = resource_create(client, server.interface(interface), version, number)
        implement(bound, methods, None, None)

    return bind


display = create()
bind_shm = binder("wl_shm", create_pool)
bind_seat = binder("wl_seat", get_nothing, get_keyboard, get_nothing)
add_global(display, server.interface("wl_shm"), 1, None, bind_shm)
add_global(display, server.interface("wl_seat"), 7, None, bind_seat)
client_create(display, os.dup(0))
os.close(0)
loop = loop_of(display)
while True:
    head = clients(display)
    if head.contents.next == addressof(head.contents):
        break
    dispatch(loop, -1)
    flush(display)
destroy(display)
