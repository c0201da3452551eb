"""Passes descriptors with anyio on asyncio: connect|listen|flood PATH COUNT."""

import asyncio
import os
import socket
import sys

import anyio
import anyio.abc

import common

work, path, count = sys.argv[1:]


def close(fds):
    for fd in fds:
        os.close(fd)


async def echo(stream):
    """Sends a message first, and returns each message with its descriptors."""
    fds = common.memfds(3)
    common.say("sent", fds)
    await stream.send_fds(b"from anyio", fds)
    close(fds)
    while True:
        try:
            data, fds = await stream.receive_fds(64, 253)
        except anyio.EndOfStream:
            break
        # It refuses to send no descriptors.
        await (stream.send_fds(data, fds) if fds else stream.send(data))
        close(fds)


async def flood(stream):
    """Sends COUNT messages, each with one of three descriptors in turn. Prints when it waits."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    loop = asyncio.get_running_loop()
    add_writer, waits = loop.add_writer, []

    def add_writer_and_print(*arguments):
        add_writer(*arguments)
        if not waits:
            print("waits", flush=True)
        waits.append(1)

    loop.add_writer = add_writer_and_print
    fds = common.memfds(3)
    common.say("sent", fds)
    for number in range(int(count)):
        await stream.send_fds(number.to_bytes(4, "big"), [fds[number % 3]])
    close(fds)


async def main():
    if work == "listen":
        async with await anyio.create_unix_listener(path) as listener:
            print("listening", flush=True)
            # Not `serve`, which accepts until it is canceled.
            async with await listener.accept() as stream:
                await echo(stream)
    else:
        async with await anyio.connect_unix(path) as stream:
            await (flood if work == "flood" else echo)(stream)


anyio.run(main)
