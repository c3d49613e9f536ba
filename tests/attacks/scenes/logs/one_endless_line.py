"""Prints a line that does not end."""
# expect: log_limit
# job: timeout_s=30
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            os.write(2, b"y" * 65536)
