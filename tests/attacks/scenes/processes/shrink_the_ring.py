"""Shrinks, grows and punches holes into the memory that its frames go through."""
# expect: completed
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if "memfd" not in os.readlink(f"/proc/self/fd/{fd}"):
                    continue
                size = os.fstat(fd).st_size
            except OSError:
                continue
            attempt("shrink", lambda: os.ftruncate(fd, 4096))
            attempt("grow", lambda: os.ftruncate(fd, size * 2))
            attempt("allocate beyond", lambda: os.posix_fallocate(fd, size, 1 << 20))
            attempt("write beyond", lambda: os.pwrite(fd, b"x", size + 4096))
            attempt("run it", lambda: syscall("execveat", fd, b"", None, None, 0x1000))
