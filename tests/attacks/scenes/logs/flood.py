"""Prints for ever."""
# expect: log_limit
# job: timeout_s=30
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            print("x" * 5000)
