import random

from manim import *


class Chance(Scene):
    def construct(self):
        dots = VGroup(
            *[
                Dot([random.uniform(-5, 5), np.random.uniform(-3, 3), 0], color=random_color())
                for _ in range(25)
            ]
        )
        self.add(dots)
        self.play(
            *[dot.animate.shift(0.5 * np.random.randn(3) * [1, 1, 0]) for dot in dots],
            run_time=0.5,
        )
        hull = ConvexHull(*[dot.get_center() for dot in dots], color=BLUE)
        self.play(Create(hull), run_time=0.4)
        dots.add_updater(lambda m: m.shift([random.gauss(0, 0.05), 0, 0]))
        self.wait(0.4)
        self.play(Wiggle(hull), run_time=0.4)
        words = {"one", "two", "three", "four"}
        self.add(Text(" ".join(words), font_size=30).to_edge(DOWN))
        self.wait(0.1)
