"""Writes huge and negative sizes over the ring's header, then goes on."""
# expect: output_invalid completed crashed time_limit output_missing scene_error
# job: timeout_s=10
# tries: no, it is the outcome that shows
import ctypes

from manim import *


class Attack(Scene):
    def construct(self):
        with open("/proc/self/maps") as maps:
            begin = next(int(line.split("-")[0], 16) for line in maps if "memfd" in line and " rw" in line)
        self.wait(0.1)
        for value in (0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFF8, 0x80000000, 1):
            for at in range(0, 512, 8):
                ctypes.memmove(begin + at, value.to_bytes(8, "little"), 8)
            self.wait(0.1)
