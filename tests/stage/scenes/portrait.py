from manim import *

config.pixel_width = 120
config.pixel_height = 214
config.frame_width = 4.5
config.frame_height = 8
config.frame_rate = 12


class Portrait(Scene):
    def construct(self):
        self.play(DrawBorderThenFill(Circle(fill_opacity=0.5)), run_time=0.6)
        self.play(Circumscribe(Dot()), run_time=0.5)
