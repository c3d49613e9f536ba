from manim import *


class Traced(Scene):
    def construct(self):
        dot = Dot(RIGHT * 2)
        path = TracedPath(dot.get_center, dissipating_time=0.4, stroke_opacity=[0, 1])
        self.add(path, dot)
        self.play(Rotating(dot, about_point=ORIGIN, angle=PI, run_time=0.8))
        self.play(MoveAlongPath(dot, Square()), run_time=0.6)
        self.remove(path)
        self.wait(0.2)
        self.play(Succession(FadeOut(dot), Create(Line(LEFT, RIGHT))), run_time=0.6)
