"""Paths traced by moving points, one of them dissolving."""

from manim import (
    PI,
    RED,
    RIGHT,
    TEAL,
    UP,
    Circle,
    Dot,
    MoveAlongPath,
    ParametricFunction,
    Rotating,
    Scene,
    TracedPath,
    VGroup,
    linear,
)
import numpy as np


class Traced(Scene):
    """A rolling point and a Lissajous figure."""

    def construct(self) -> None:
        """Play the scene."""
        wheel = VGroup(Circle(radius=1), Dot(UP)).shift(3 * RIGHT)
        trace = TracedPath(wheel[1].get_center, stroke_color=RED, stroke_width=4)
        curve = ParametricFunction(
            lambda t: np.array([2 * np.sin(3 * t) - 2, 2 * np.sin(2 * t), 0]), t_range=(0, 2 * PI, 0.05)
        )
        pen = Dot(curve.get_start(), color=TEAL)
        fading = TracedPath(pen.get_center, dissipating_time=0.4, stroke_opacity=[0, 1], stroke_color=TEAL)
        self.add(wheel, trace, pen, fading)
        self.play(
            Rotating(wheel, angle=2 * PI, about_point=2 * RIGHT),
            MoveAlongPath(pen, curve),
            run_time=2,
            rate_func=linear,
        )
        self.wait(0.3)
