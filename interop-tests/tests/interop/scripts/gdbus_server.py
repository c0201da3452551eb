"""GDBus serves one client: ADDRESS."""

import sys

import common
from gi.repository import Gio, GLib

loop = GLib.MainLoop()


def on_message(connection, message, incoming):
    """Any `Echo` is answered here, whatever its arguments are; what is left is for GDBus itself."""
    if not incoming or message.get_message_type() != Gio.DBusMessageType.METHOD_CALL:
        return message
    answer = message.new_method_reply()
    if message.get_member() == "Echo":
        answer.set_body(message.get_body())
        answer.set_unix_fd_list(message.get_unix_fd_list())
    else:
        fds = common.memfds(2)
        common.say("given", fds)
        answer.set_body(GLib.Variant("(ah)", ([0, 1],)))
        answer.set_unix_fd_list(Gio.UnixFDList.new_from_array(fds))
    connection.send_message(answer, Gio.DBusSendMessageFlags.NONE)
    return None


def on_connection(server, connection):
    connection.add_filter(on_message)
    connection.connect("closed", lambda *_: loop.quit())
    keep.append(connection)
    return True


keep = []
observer = Gio.DBusAuthObserver()
flags = Gio.DBusServerFlags.NONE
server = Gio.DBusServer.new_sync(sys.argv[1], flags, Gio.dbus_generate_guid(), observer, None)
server.connect("new-connection", on_connection)
server.start()
print("ready", flush=True)
loop.run()
