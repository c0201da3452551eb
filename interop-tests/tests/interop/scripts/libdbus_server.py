"""libdbus serves one client, through dbus-python: ADDRESS."""

import sys

import common
import dbus
import dbus.lowlevel
import dbus.server
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

loop = GLib.MainLoop()
keep = []


def on_message(connection, message):
    if not isinstance(message, dbus.lowlevel.MethodCallMessage):
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
    answer = dbus.lowlevel.MethodReturnMessage(message)
    if message.get_member() == "Echo":
        arguments = message.get_args_list(byte_arrays=True)
        answer.append(*arguments, signature=message.get_signature())
    else:
        fds = common.memfds(2)
        common.say("given", fds)
        answer.append([dbus.types.UnixFd(fd) for fd in fds], signature="ah")
    connection.send_message(answer)
    return dbus.lowlevel.HANDLER_RESULT_HANDLED


class Server(dbus.server.Server):
    def connection_added(self, connection):
        connection.add_message_filter(on_message)
        keep.append(connection)

    def connection_removed(self, connection):
        loop.quit()


server = Server(sys.argv[1], mainloop=DBusGMainLoop())
print("ready", flush=True)
loop.run()
