"""Space: a ripple over a plane, seen by a camera that walks around it.

    manimd render examples/scenes/space.py -q 480p15
"""

import numpy as np
from manim import (
    BLUE_D,
    DEGREES,
    GOLD,
    TEAL_B,
    Create,
    Dot3D,
    FadeIn,
    Surface,
    ThreeDAxes,
    ThreeDScene,
)


def ripple(u: float, v: float) -> np.ndarray:
    """Give the point of the surface above (u, v)."""
    radius = float(np.hypot(u, v))
    return np.array([u, v, 0.8 * np.cos(2.2 * radius) * np.exp(-0.35 * radius)])


class Space(ThreeDScene):
    """Four seconds: axes, a surface that grows, a camera that turns."""

    def construct(self) -> None:
        """Play the scene."""
        axes = ThreeDAxes(
            x_range=(-3, 3, 1),
            y_range=(-3, 3, 1),
            z_range=(-1, 1.5, 1),
            x_length=6,
            y_length=6,
            z_length=2.5,
        )
        surface = Surface(
            ripple,
            u_range=(-2.6, 2.6),
            v_range=(-2.6, 2.6),
            resolution=(14, 14),
            checkerboard_colors=[BLUE_D, TEAL_B],
            fill_opacity=0.85,
            stroke_width=0.5,
        )
        top = Dot3D(ripple(0, 0), color=GOLD, radius=0.1, resolution=(6, 6))
        self.set_camera_orientation(phi=62 * DEGREES, theta=-50 * DEGREES)
        self.play(Create(axes), run_time=0.7)
        self.play(Create(surface), run_time=1.1)
        self.begin_ambient_camera_rotation(rate=0.6)
        self.play(FadeIn(top, scale=2), run_time=0.5)
        self.wait(1.5)
        self.stop_ambient_camera_rotation()
