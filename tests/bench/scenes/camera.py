"""A moving camera that follows, zooms and comes back."""

from manim import (
    BLUE,
    GREEN,
    LEFT,
    RIGHT,
    UP,
    Circle,
    Dot,
    FunctionGraph,
    MovingCameraScene,
    Restore,
    Square,
    VGroup,
)
import numpy as np


class Camera(MovingCameraScene):
    """Follow a dot along a curve."""

    def construct(self) -> None:
        """Play the scene."""
        graph = FunctionGraph(lambda x: np.sin(2 * x), x_range=(-4, 4), color=BLUE)
        marks = VGroup(*(Square(0.2).move_to(k * RIGHT + UP) for k in range(-3, 4)))
        dot = Dot(4 * LEFT, color=GREEN)
        self.add(graph, marks, dot)
        self.camera.frame.save_state()
        self.play(self.camera.frame.animate.scale(0.5).move_to(dot), run_time=0.6)
        self.camera.frame.add_updater(lambda frame: frame.move_to(dot.get_center()))
        self.play(dot.animate.shift(5 * RIGHT), run_time=0.9)
        self.camera.frame.clear_updaters()
        self.play(Restore(self.camera.frame), dot.animate.become(Circle(0.5)), run_time=0.6)
        self.wait(0.2)
