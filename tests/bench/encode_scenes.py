"""Three scenes for encode_quality.py: thin lines, small letters, a moving surface."""

from __future__ import annotations

import numpy as np
from manim import (
    BLUE, DEGREES, DOWN, GREEN, LEFT, PI, PURPLE, RED, UP, WHITE, YELLOW, Circle, Create, FadeIn,
    LaggedStart, NumberPlane, Rotate, Scene, Square, Surface, Text, ThreeDAxes, ThreeDScene,
    Transform, VGroup, Write,
)  # fmt: skip


class Lines(Scene):
    """A title, a warped grid, shapes that turn into each other."""

    def construct(self) -> None:
        """The hardest for chroma: coloured lines one pixel wide on black."""
        title = Text("A warped plane", font_size=64).to_edge(UP)
        grid = NumberPlane()
        self.play(Create(grid), Write(title), run_time=1.5)
        warped = grid.animate.apply_function(
            lambda p: p + np.array([np.sin(p[1]), np.sin(p[0]), 0])
        )
        self.play(warped, run_time=1.5)
        self.wait(0.5)
        circle = Circle(color=RED, fill_opacity=0.6).scale(2)
        self.play(FadeIn(circle), run_time=0.5)
        self.play(Transform(circle, Square(color=BLUE, fill_opacity=0.6).scale(2)), run_time=1)
        self.wait(0.5)


class Letters(Scene):
    """Six lines of small coloured letters, written, faded and turned."""

    def construct(self) -> None:
        """What most videos are made of."""
        colours = [WHITE, RED, GREEN, BLUE, YELLOW, PURPLE]
        lines = VGroup(
            *[
                Text(f"line {i}: the quick brown fox", font_size=30, color=c)
                for i, c in enumerate(colours)
            ]
        )
        lines.arrange(DOWN, aligned_edge=LEFT)
        self.play(LaggedStart(*[Write(line) for line in lines]), run_time=2)
        self.wait(0.5)
        self.play(lines.animate.shift(UP * 0.7).set_opacity(0.4), run_time=1)
        self.play(Rotate(lines, PI / 6), run_time=1)


class Space(ThreeDScene):
    """A chequered surface under a turning camera."""

    def construct(self) -> None:
        """Every pixel changes in every frame."""
        self.set_camera_orientation(phi=65 * DEGREES, theta=-45 * DEGREES)
        surface = Surface(
            lambda u, v: np.array([u, v, np.sin(u) * np.cos(v)]),
            u_range=[-3, 3], v_range=[-3, 3], resolution=(12, 12),
        )  # fmt: skip
        self.add(ThreeDAxes(), surface)
        self.begin_ambient_camera_rotation(rate=0.6)
        self.wait(2)
