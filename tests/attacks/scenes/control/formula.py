"""Formulas: TeX and dvisvgm are programs that the box must let run."""
# expect: completed
from manim import *


class Formula(Scene):
    def construct(self):
        self.play(Write(MathTex(r"\int_0^1 x^2\,dx = \frac13")), run_time=0.2)
        self.add(Tex("and words").shift(DOWN))
        self.wait(0.1)
