"""No process is over the limit; all together are."""
# expect: memory_limit
# job: memory_mb=500 timeout_s=30
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(10):
            if os.fork() == 0:
                held = bytearray(b"x" * (80 << 20))
                time.sleep(100)
        time.sleep(100)
