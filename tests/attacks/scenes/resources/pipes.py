"""Fills pipes in two dozen processes: memory that the kernel holds for them."""
# expect: memory_limit
# job: memory_mb=300 timeout_s=30
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(24):
            if os.fork() == 0:
                try:
                    while True:
                        _, into = os.pipe2(os.O_NONBLOCK)
                        os.write(into, b"x" * 65536)
                except OSError:
                    time.sleep(100)
        time.sleep(100)
