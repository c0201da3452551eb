"""Does one thing with the socket that is its standard input: WHAT [COUNT...]."""

import os
import socket
import struct
import sys

import common

s = socket.socket(fileno=0)
what, *counts = sys.argv[1].split()


def close(fds):
    for fd in fds:
        os.close(fd)


def signal(serial, declared):
    """A D-Bus signal that declares so many descriptors."""

    def text(code, kind, text):
        field = struct.pack("<BB1sxI", code, 1, kind, len(text)) + text + b"\0"
        return field + bytes(-len(field) % 8)

    fields = text(1, b"o", b"/org/example/Test") + text(2, b"s", b"org.example.Test")
    fields += text(3, b"s", b"Take")
    if declared:
        fields += struct.pack("<BB1sxI", 9, 1, b"u", declared)
    header = struct.pack("<cBBBIII", b"l", 4, 0, 1, 0, serial, len(fields)) + fields
    return header + bytes(-len(header) % 8)


def handshake():
    s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n")
    lines = s.makefile("rb", buffering=0)
    while lines.readline() != b"AGREE_UNIX_FD\r\n":
        pass
    s.sendall(b"BEGIN\r\n")
    # The other end goes first: what is sent at once may be read with the end of the handshake.
    assert s.recv(4096)


if what == "echo":
    while True:
        data, fds, flags, _ = socket.recv_fds(s, 64, 253)
        assert not flags & socket.MSG_CTRUNC
        if not data:
            break
        socket.send_fds(s, [data], fds) if fds else s.sendall(data)
        close(fds)
elif what == "count":
    total, sets = 0, []
    while True:
        data, fds, flags, _ = socket.recv_fds(s, 1 << 20, 253)
        assert not flags & socket.MSG_CTRUNC
        if not data:
            break
        total += len(data)
        if fds:
            sets.append(str(len(fds)))
        close(fds)
    print(f"{total} bytes, sets of {' and '.join(sets)}")
elif what == "send":
    for count in map(int, counts):
        fds = common.memfds(count)
        socket.send_fds(s, [b"here"], fds)
        close(fds)
elif what == "lie":
    handshake()
    for serial, declared, count in [(1, 1, 3), (2, 2, 0)]:
        fds = common.memfds(count)
        message = signal(serial, declared)
        try:
            socket.send_fds(s, [message], fds) if fds else s.sendall(message)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was found out.
elif what == "declare":
    handshake()
    (count,) = map(int, counts)
    socket.send_fds(s, [signal(1, count)], common.memfds(count))
    s.recv(1)
else:
    raise SystemExit(f"there is nothing called {what}")
