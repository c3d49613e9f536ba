"""A picture of odd sides."""
# expect: completed output_invalid
# tries: no
from manim import *

config.pixel_width, config.pixel_height = 101, 53


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
