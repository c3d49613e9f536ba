"""Makes a system call of i386 (int 0x80), whose numbers the filter does not list."""
# expect: sandbox_violation
# tries: no, it does not live to
import ctypes
import mmap

from manim import *

GETPID_OF_I386 = bytes.fromhex("b814000000" "cd80" "c3")


class Attack(Scene):
    def construct(self):
        page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(GETPID_OF_I386)
        pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        print("BREACH a call of i386 gave", pid, flush=True)
        self.wait(0.1)
