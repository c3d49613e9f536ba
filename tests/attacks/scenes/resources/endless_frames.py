"""Makes frames for ever."""
# expect: output_invalid time_limit
# job: timeout_s=20
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            self.wait(10**8)
