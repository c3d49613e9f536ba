"""Reads a page in each of 90000 tables: the pages are shared, their tables are not."""
# expect: memory_limit
# job: memory_mb=160 timeout_s=30
# tries: no
import ctypes
import time

from manim import *


class Attack(Scene):
    def construct(self):
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        size = 180 << 30
        at = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))
        libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(size), 15)
        for offset in range(0, size, 2 << 20):
            ctypes.c_char.from_address(at + offset).value
        time.sleep(100)
