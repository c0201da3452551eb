"""What the client and the compositor of libwayland share: its libraries by ctypes."""

import ctypes
import os
from ctypes import c_char_p, c_int32, c_uint32, c_void_p


class Argument(ctypes.Union):
    """wl_argument"""

    _fields_ = [("i", c_int32), ("u", c_uint32), ("h", c_int32), ("s", c_char_p), ("o", c_void_p)]


class Library:
    def __init__(self, name):
        self.library = ctypes.CDLL(name)
        # What C has pointers to, and Python would forget.
        self.kept = []

    def function(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype, function.argtypes = result, arguments
        return function

    def interface(self, name):
        return ctypes.addressof(c_void_p.in_dll(self.library, name + "_interface"))

    def table(self, *functions):
        """Functions for the opcodes from 0 on."""
        table = (c_void_p * len(functions))(*[ctypes.cast(f, c_void_p) for f in functions])
        self.kept.append((table, functions))
        return ctypes.addressof(table)


def say(what, fd):
    stat = os.fstat(fd)
    print(what, stat.st_dev, stat.st_ino)
