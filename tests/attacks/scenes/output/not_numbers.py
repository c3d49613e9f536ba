"""Points that are no numbers."""
# expect: completed scene_error
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        square = Square()
        square.points[:] = np.nan
        self.add(square, Dot([np.inf, 0, 0]))
        self.play(square.animate.shift(RIGHT * 1e308), run_time=0.2)
