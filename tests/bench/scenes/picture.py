"""Pixels: an image made here, faded, scaled and put behind a curve."""

import numpy as np
from manim import UP, Circle, FadeIn, ImageMobject, Rotate, Scene, linear


class Picture(Scene):
    """A picture of 64 by 48 pixels."""

    def construct(self) -> None:
        """Play the scene."""
        rows, columns = np.mgrid[0:48, 0:64]
        pixels = np.zeros((48, 64, 4), dtype=np.uint8)
        pixels[..., 0] = columns * 4
        pixels[..., 1] = rows * 5
        pixels[..., 2] = (rows ^ columns) * 4
        pixels[..., 3] = 255
        image = ImageMobject(pixels)
        image.height = 3
        self.play(FadeIn(image), run_time=0.4)
        self.add(Circle(radius=1.8))
        self.play(image.animate.shift(0.5 * UP).set_opacity(0.4), run_time=0.5)
        self.play(Rotate(image, 1.0), rate_func=linear, run_time=0.5)
        self.wait(0.2)
