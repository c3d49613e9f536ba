"""A surface with light and shade, under a camera that turns."""

from manim import DEGREES, PI, Sphere, Surface, ThreeDAxes, ThreeDScene, UP, FadeIn, RIGHT
import numpy as np


class SmallSurface(ThreeDScene):
    """Axes, a saddle and a sphere."""

    def construct(self) -> None:
        """Play the scene."""
        axes = ThreeDAxes(x_range=(-2, 2), y_range=(-2, 2), z_range=(-2, 2), x_length=4, y_length=4, z_length=3)
        saddle = Surface(
            lambda u, v: np.array([u, v, 0.3 * (u * u - v * v)]),
            u_range=(-1.5, 1.5),
            v_range=(-1.5, 1.5),
            resolution=(8, 8),
        )
        sphere = Sphere(radius=0.5, resolution=(8, 8)).shift(1.5 * RIGHT + UP)
        self.set_camera_orientation(phi=70 * DEGREES, theta=30 * DEGREES)
        self.add(axes, saddle)
        self.play(FadeIn(sphere), run_time=0.4)
        self.move_camera(theta=80 * DEGREES, run_time=0.8)
        self.begin_ambient_camera_rotation(rate=PI / 8)
        self.wait(0.6)
