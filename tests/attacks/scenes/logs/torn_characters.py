"""Prints characters of which the log keeps only a part."""
# expect: completed
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        os.write(1, b"\xf0\x9f\x98\x80" * 300000 + b"\xf0\x9f")
        self.wait(0.1)
