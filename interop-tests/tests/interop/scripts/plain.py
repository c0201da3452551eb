"""Does one thing with the socket that is its standard input: WHAT [COUNT...]."""

import os
import random
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
        return struct.pack("<BB1sxI", code, 1, kind, len(text)) + text + b"\0"

    all_fields = [text(1, b"o", b"/org/example/Test"), text(2, b"s", b"org.example.Test")]
    all_fields.append(text(3, b"s", b"Take"))
    if declared:
        all_fields.append(struct.pack("<BB1sxI", 9, 1, b"u", declared))
    fields = b""
    for field in all_fields:
        fields += bytes(-len(fields) % 8) + field
    header = struct.pack("<cBBBIII", b"l", 4, 0, 1, 0, serial, len(fields)) + fields
    return header + bytes(-len(header) % 8)


def handshake(s=s, fds=True):
    s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n" + (b"NEGOTIATE_UNIX_FD\r\n" if fds else b""))
    lines = s.makefile("rb", buffering=0)
    while not lines.readline().startswith(b"AGREE_UNIX_FD" if fds else b"OK "):
        pass
    s.sendall(b"BEGIN\r\n")
    # The other end goes first: what is sent at once may be read with the end of the handshake.
    data = s.recv(4096)
    assert data
    return data


def request(length, opcode=0):
    """A Wayland message of a header that says this length, and of three words."""
    return struct.pack("=IIIII", 2, length << 16 | opcode, 1, 2, 3)


def garbage(seed, good, claim):
    """Bytes that are no good, for all that seeds can tell: noise, a good message with a few other
    bytes in it, one that claims to be long, and good ones with noise behind them."""
    chance = random.Random(seed)
    match seed % 4:
        case 0:
            return chance.randbytes(chance.randrange(1, 4096))
        case 1:
            bad = bytearray(good * 3)
            for _ in range(chance.randrange(1, 8)):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            return bytes(bad)
        case 2:
            return claim + chance.randbytes(chance.randrange(200))
        case _:
            return good * chance.randrange(1, 5) + chance.randbytes(chance.randrange(1, 100))


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
elif what in ("bad-dbus", "bad-wayland"):
    # Each of its ends comes over the socket, and meets one that is no good in its own way.
    _, ends, _, _ = socket.recv_fds(s, 64, 253)
    for seed, end in enumerate(map(lambda fd: socket.socket(fileno=fd), ends)):
        try:
            if what == "bad-dbus":
                handshake(end)
                claim = bytearray(signal(1, 0))
                claim[4:8] = struct.pack("<I", 100 << 20)
                bad = garbage(seed, signal(1, 0), bytes(claim))
            else:
                bad = garbage(seed, request(20), request(0xFFFC))
            fds = common.memfds(seed // 4 % 3)
            socket.send_fds(end, [bad], fds) if fds else end.sendall(bad)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was found out.
        close(fds)
        end.close()
elif what == "half":
    handshake()
    message, fds = signal(1, 3), common.memfds(3)
    socket.send_fds(s, [message[:20]], fds)
    common.say("sent", fds)
    assert s.recv(4096)
    s.sendall(message[20:])
    s.recv(1)
elif what == "unagreed":
    data = handshake(fds=False)
    while more := s.recv(4096):
        data += more
    print(data.count(b"Go"))
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
