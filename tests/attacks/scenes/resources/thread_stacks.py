"""Sixty threads, each with a stack that it uses."""
# expect: memory_limit
# job: memory_mb=500 timeout_s=30 processes=100
# tries: no
import threading
import time

from manim import *


class Attack(Scene):
    def construct(self):
        threading.stack_size(16 << 20)

        def deep(n):
            held = bytearray(b"x" * (16 << 20))
            time.sleep(100)
            return held

        for n in range(60):
            threading.Thread(target=deep, args=(n,), daemon=True).start()
        time.sleep(100)
