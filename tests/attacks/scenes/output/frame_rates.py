"""A frame rate that is no number."""
# expect: output_invalid scene_error
# tries: no
from manim import *

config.frame_rate = float("inf")


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
