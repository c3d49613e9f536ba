"""Never lets its pipe be empty, and waits for it."""
# expect: completed
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(200):
            os.write(1, b"p" * 16384)
        self.wait(0.1)
