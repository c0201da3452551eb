"""GDBus calls: ADDRESS DESTINATION WORK; the destination is - without a bus."""

import os
import sys

import common
from gi.repository import Gio, GLib

address, destination, work = sys.argv[1:]
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
if destination != "-":
    flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def call(member, signature, values, fds):
    if signature == "ayh":
        data = GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(values[0]), True)
        parameters = GLib.Variant.new_tuple(data, GLib.Variant("h", values[1]))
    else:
        parameters = GLib.Variant(f"({signature})", tuple(values))
    answer, taken = connection.call_with_unix_fd_list_sync(
        None if destination == "-" else destination,
        common.PATH,
        common.INTERFACE,
        member,
        parameters,
        None,
        Gio.DBusCallFlags.NONE,
        -1,
        Gio.UnixFDList.new_from_array([os.dup(fd) for fd in fds]) if fds else None,
        None,
    )
    returned = taken.steal_fds() if taken else []
    if signature == "ayh":
        data = answer.get_child_value(0).get_data_as_bytes().get_data()
        return [data, answer.get_child_value(1).get_handle()], returned
    return list(answer.unpack()), returned


common.drive(work, call)
connection.close_sync(None)
