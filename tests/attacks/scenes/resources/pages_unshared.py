"""Forks share their pages at first, then each writes to all of them."""
# expect: memory_limit
# job: memory_mb=500 timeout_s=30
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        held = bytearray(b"x" * (120 << 20))
        for _ in range(8):
            if os.fork() == 0:
                time.sleep(0.5)
                held[::4096] = b"y" * len(held[::4096])
                time.sleep(100)
        time.sleep(100)
