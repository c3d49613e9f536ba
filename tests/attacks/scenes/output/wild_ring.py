"""Writes noise all over the ring, its head and its headers."""
# expect: completed output_invalid scene_error crashed time_limit
# job: timeout_s=6
# tries: no
import mmap
import os

from manim import *


class Attack(Scene):
    def construct(self):
        self.wait(0.3)
        for fd in range(3, 64):
            try:
                ring = mmap.mmap(fd, 8 << 20)
            except (OSError, ValueError):
                continue
            for _ in range(30):
                ring[64:72] = os.urandom(8)
                ring[4096:8192] = os.urandom(4096)
        self.wait(0.3)
