"""An ordinary scene: all layers on, and nobody notices."""
# expect: completed
from manim import *


class Ordinary(Scene):
    def construct(self):
        square = Square()
        self.play(Create(square), run_time=0.3)
        self.play(square.animate.rotate(1).set_fill(RED, 1), FadeIn(Text("abc")), run_time=0.3)
        self.wait(0.1)
