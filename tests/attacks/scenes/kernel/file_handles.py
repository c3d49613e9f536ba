"""Opens files by their number instead of their name, as Shocker did."""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        for inode in (1, 2, 11, 128):
            handle = ctypes.create_string_buffer(
                (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + inode.to_bytes(8, "little"), 64
            )
            for where in (-100, 0, 1):
                forbidden("open_by_handle_at", where, handle, 0)
        room, number = ctypes.create_string_buffer((64).to_bytes(4, "little"), 128), ctypes.c_int()
        forbidden("name_to_handle_at", -100, b"/", room, ctypes.byref(number), 0)
