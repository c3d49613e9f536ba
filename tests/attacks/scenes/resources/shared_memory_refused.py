"""Memory that is in no resident set: shared anonymous, memfd, System V, POSIX, locked, lent to a pipe."""
# expect: completed
# gpu: no, there it may: memfd_create
import ctypes
import mmap
import os

from attack import *


class Attack(Trial):
    def attack(self):
        attempt("shared anonymous memory", lambda: mmap.mmap(-1, 1 << 20))
        forbidden("memfd_create", ctypes.create_string_buffer(b"m"), 0)
        forbidden("memfd_create", ctypes.create_string_buffer(b"m"), 4)
        forbidden("memfd_secret", 0)
        forbidden("shmget", 0, 1 << 20, 0o1600)
        forbidden("msgget", 0, 0o1600)
        forbidden("semget", 0, 1, 0o1600)
        forbidden("mq_open", ctypes.create_string_buffer(b"/m"), 0o102, 0o600, 0)
        forbidden("vmsplice", 1, 0, 0, 0)
        for path in ("/dev/shm/m", "/run/m", "/dev/mqueue/m", "/dev/hugepages/m", "/dev/zero", "/run/shm/m"):
            attempt(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT))
        libc = ctypes.CDLL(None, use_errno=True)
        room = ctypes.create_string_buffer(1 << 20)

        def lock(call, *words):
            if call(*words):
                raise OSError(ctypes.get_errno(), "refused")

        attempt("mlock", lambda: lock(libc.mlock, room, ctypes.c_size_t(1 << 20)))
        attempt("mlockall", lambda: lock(libc.mlockall, 3))
        attempt("huge pages", lambda: mmap.mmap(-1, 2 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))
