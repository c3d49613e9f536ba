"""Grows for ever."""
# expect: memory_limit
# job: memory_mb=400 timeout_s=30
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        held = []
        while True:
            held.append(bytearray(b"x" * (8 << 20)))
