from manim import *


class Reusing(Scene):
    """Frames that do not come from play(): the writer is reached directly."""

    def construct(self):
        square = Square()
        self.play(FadeIn(square), run_time=0.3)
        self.renderer.update_frame(self)
        self.renderer.add_frame(self.renderer.get_frame(), 3)  # outside a play: dropped
        for _ in range(3):
            self.play(square.animate.rotate(0.2), run_time=1 / 15)
            self.wait(2 / 15)
        self.play(AnimationGroup(Wait(0.2), FadeOut(square)), run_time=0.5)
        self.wait(0.5)
        self.wait(0.5)
