from manim import *


class Formulas(Scene):
    def construct(self):
        first = MathTex("a^2", "+", "b^2", "=", "c^2")
        second = MathTex("c^2", "=", "a^2", "+", "b^2")
        self.play(Write(first), run_time=0.6)
        self.play(TransformMatchingTex(first, second), run_time=0.6)
        table = IntegerMatrix([[1, 2], [3, 4]]).scale(0.6).to_edge(DOWN)
        self.play(FadeIn(table), run_time=0.3)
