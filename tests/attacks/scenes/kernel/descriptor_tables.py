"""Writes its own segment descriptors, ports, and thread pointers of others."""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(64)
        for function in (0, 1, 2, 0x11):
            forbidden("modify_ldt", function, room, 16)
        forbidden("iopl", 3)
        forbidden("ioperm", 0x3F8, 8, 1)
        forbidden("vhangup")
