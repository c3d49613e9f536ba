"""Writes a file by mapping it, so that nothing calls write."""
# expect: disk_limit crashed
# job: disk_mb=64 timeout_s=30
# tries: no
import mmap
import time

from manim import *


class Attack(Scene):
    def construct(self):
        for n in range(100):
            with open(f"f{n}", "w+b") as file:
                file.truncate(4 << 20)
                mapped = mmap.mmap(file.fileno(), 0)
                mapped[::4096] = b"x" * 1024
        time.sleep(100)
