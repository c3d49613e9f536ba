"""Takes memory that its watcher would not see: shared, huge, locked, in pipes."""
# expect: completed
import ctypes
import fcntl
import mmap
import os

from attack import *

SHARED, VALIDATE, ANONYMOUS, HUGE = 1, 3, 0x20, 0x40000


class Attack(Trial):
    def attack(self):
        for name, flags in (("shared", SHARED | ANONYMOUS), ("shared, checked", VALIDATE | ANONYMOUS), ("huge", 2 | ANONYMOUS | HUGE)):
            attempt(name, lambda: syscall("mmap", 0, 1 << 21, 3, flags, -1, 0))
        attempt("shared, by Python", lambda: mmap.mmap(-1, 1 << 20))
        attempt("/dev/zero", lambda: os.open("/dev/zero", os.O_RDWR))
        libc = ctypes.CDLL(None, use_errno=True)
        room = ctypes.create_string_buffer(8 << 20)
        if libc.mlock(room, 8 << 20) == 0:
            breach("8 MiB are locked")
        attempt("a pipe of 4 MiB", lambda: fcntl.fcntl(os.pipe()[0], 1031, 4 << 20))
        forbidden("mbind", 0, 0, 0, None, 0, 0)
        forbidden("vmsplice", 1, None, 0, 0)
