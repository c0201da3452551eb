"""libdbus calls, through dbus-python: ADDRESS DESTINATION WORK; the destination is - where the
other end only stands for a bus."""

import sys

import common
import dbus
import dbus.bus

address, destination, work = sys.argv[1:]
# A connection that greets nobody first refuses to send descriptors until it has received something.
connection = dbus.bus.BusConnection(address)


def call(member, signature, values, fds):
    if signature == "ah":
        values = [[dbus.types.UnixFd(fds[index]) for index in values[0]]]
    elif signature == "ayh":
        values = [dbus.ByteArray(values[0]), dbus.types.UnixFd(fds[values[1]])]
    answer = connection.call_blocking(
        None if destination == "-" else destination,
        common.PATH,
        common.INTERFACE,
        member,
        signature,
        values,
        byte_arrays=True,
    )
    if isinstance(answer, dbus.Array):
        returned = [fd.take() for fd in answer]
        return [list(range(len(returned)))], returned
    if isinstance(answer, tuple):
        return [bytes(answer[0]), 0], [answer[1].take()]
    return [str(answer)], []


common.drive(work, call)
connection.close()
