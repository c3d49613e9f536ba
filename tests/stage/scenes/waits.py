from manim import *


class Waits(Scene):
    """Frozen waits of odd lengths: how many frames each gives is decided by
    floating point, and must be decided the same way."""

    def construct(self):
        dot = Dot()
        self.add(dot)
        self.wait(2.05)
        self.play(dot.animate.shift(RIGHT), run_time=4.15)
        self.wait(0.7)
        self.wait(1 / 3)
        self.wait(0.01)
        self.play(dot.animate.shift(UP), run_time=0.05)
        self.wait(0.3, frozen_frame=False)
        count = [0]

        def enough():
            count[0] += 1
            return count[0] >= 5

        self.wait_until(enough, max_time=2)
        self.pause(0.5)
