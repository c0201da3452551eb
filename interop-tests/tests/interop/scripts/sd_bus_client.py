"""sd-bus calls, through libsystemd itself: ADDRESS DESTINATION WORK; the destination is - where the
other end only stands for a bus."""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint64, c_void_p

import common

LIBRARY = ctypes.CDLL("libsystemd.so.0")
# A minute: more than anybody takes on a busy machine.
PATIENCE = 60_000_000


def function(name, *arguments):
    """A function that returns an errno, below 0, if it fails."""
    found = getattr(LIBRARY, name)
    found.argtypes = arguments

    def checked(*values):
        result = found(*values)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")
        return result

    return checked


new = function("sd_bus_new", POINTER(c_void_p))
set_address = function("sd_bus_set_address", c_void_p, c_char_p)
set_bus_client = function("sd_bus_set_bus_client", c_void_p, c_int)
start = function("sd_bus_start", c_void_p)
new_method_call = function(
    "sd_bus_message_new_method_call", c_void_p, POINTER(c_void_p), *[c_char_p] * 4
)
append_basic = function("sd_bus_message_append_basic", c_void_p, c_char, c_void_p)
append_array = function("sd_bus_message_append_array", c_void_p, c_char, c_char_p, c_size_t)
open_container = function("sd_bus_message_open_container", c_void_p, c_char, c_char_p)
close_container = function("sd_bus_message_close_container", c_void_p)
sd_bus_call = function(
    "sd_bus_call", c_void_p, c_void_p, c_uint64, c_void_p, POINTER(c_void_p)
)
enter_container = function("sd_bus_message_enter_container", c_void_p, c_char, c_char_p)
read_basic = function("sd_bus_message_read_basic", c_void_p, c_char, c_void_p)
read_array = function(
    "sd_bus_message_read_array", c_void_p, c_char, POINTER(c_void_p), POINTER(c_size_t)
)
LIBRARY.sd_bus_message_unref.argtypes = LIBRARY.sd_bus_flush_close_unref.argtypes = [c_void_p]
LIBRARY.sd_bus_message_unref.restype = LIBRARY.sd_bus_flush_close_unref.restype = c_void_p

address, destination, work = sys.argv[1:]
bus = c_void_p()
new(byref(bus))
set_address(bus, address.encode())
set_bus_client(bus, 1)
start(bus)


def append_fd(message, fd):
    # It is duplicated, and the message keeps the duplicate.
    append_basic(message, b"h", byref(c_int(fd)))


def read_fd(message):
    """The next descriptor, which the message keeps: a duplicate is ours. None where there is none."""
    fd = c_int()
    return os.dup(fd.value) if read_basic(message, b"h", byref(fd)) else None


def call(member, signature, values, fds):
    message, answer = c_void_p(), c_void_p()
    to = None if destination == "-" else destination.encode()
    names = [name.encode() for name in (common.PATH, common.INTERFACE, member)]
    new_method_call(bus, byref(message), to, *names)
    if signature == "s":
        append_basic(message, b"s", values[0].encode())
    elif signature == "ah":
        open_container(message, b"a", b"h")
        for index in values[0]:
            append_fd(message, fds[index])
        close_container(message)
    elif signature == "ayh":
        append_array(message, b"y", values[0], len(values[0]))
        append_fd(message, fds[values[1]])
    sd_bus_call(bus, message, PATIENCE, None, byref(answer))
    try:
        return read(answer, "ah" if member == "Give" else "" if member == "Take" else signature)
    finally:
        LIBRARY.sd_bus_message_unref(message)
        LIBRARY.sd_bus_message_unref(answer)


def read(answer, signature):
    if signature == "s":
        text = c_char_p()
        read_basic(answer, b"s", byref(text))
        return [text.value.decode()], []
    if signature == "ah":
        enter_container(answer, b"a", b"h")
        returned = list(iter(lambda: read_fd(answer), None))
        return [list(range(len(returned)))], returned
    if signature == "ayh":
        data, size = c_void_p(), c_size_t()
        read_array(answer, b"y", byref(data), byref(size))
        return [ctypes.string_at(data, size.value), 0], [read_fd(answer)]
    return [], []


common.drive(work, call)
LIBRARY.sd_bus_flush_close_unref(bus)
