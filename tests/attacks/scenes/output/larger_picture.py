"""Sets a picture larger than the job's in its file."""
# expect: output_invalid
# tries: no
from manim import *

config.pixel_width, config.pixel_height = 3840, 2160


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
