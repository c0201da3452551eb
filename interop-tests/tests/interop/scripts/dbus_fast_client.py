"""dbus-fast calls: ADDRESS DESTINATION WORK. Its connections always greet a bus first."""

import asyncio
import sys

import common
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

address, destination, work = sys.argv[1:]


async def main():
    bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()

    async def ask(member, signature, values, fds):
        answer = await bus.call(
            Message(
                destination=None if destination == "-" else destination,
                path=common.PATH,
                interface=common.INTERFACE,
                member=member,
                signature=signature,
                body=values,
                unix_fds=fds,
            )
        )
        assert answer.message_type == MessageType.METHOD_RETURN, answer.body
        return answer.body, answer.unix_fds

    def call(*arguments):
        return asyncio.run_coroutine_threadsafe(ask(*arguments), loop).result()

    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, common.drive, work, call)
    bus.disconnect()
    await bus.wait_for_disconnect()


asyncio.run(main())
