"""Loads programs and makes maps for the kernel."""
# expect: completed
import ctypes

from attack import *


class Attack(Trial):
    def attack(self):
        room = ctypes.create_string_buffer(b"\x01\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\0\0", 144)
        for command in range(0, 40):
            forbidden("bpf", command, room, 144)
