"""A number plane bent by a complex function: many curves, all moving."""

import numpy as np
from manim import BLUE_D, GREY_B, ApplyMethod, Create, NumberPlane, Scene


def bend(point: np.ndarray) -> np.ndarray:
    """Bend the plane a little."""
    x, y, z = point
    return np.array([x + 0.5 * np.sin(y), y + 0.5 * np.sin(x), z])


class Warp(Scene):
    """A warped grid."""

    def construct(self) -> None:
        """Play the scene."""
        grid = NumberPlane(
            x_range=(-6, 6),
            y_range=(-3, 3),
            background_line_style={"stroke_color": BLUE_D, "stroke_width": 2},
            axis_config={"stroke_color": GREY_B},
        )
        self.play(Create(grid, lag_ratio=0.05), run_time=1)
        grid.prepare_for_nonlinear_transform(20)
        self.play(ApplyMethod(grid.apply_function, bend), run_time=1.2)
        self.wait(0.5)
