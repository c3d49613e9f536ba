"""Prints every byte there is, and noise."""
# expect: completed
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        os.write(1, bytes(range(256)) * 64)
        os.write(2, os.urandom(1 << 20))
        self.wait(0.1)
