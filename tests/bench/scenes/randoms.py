"""Chance: `random` and NumPy, drawn in construct and inside an updater."""

import random

import numpy as np
from manim import RED, WHITE, Dot, FadeIn, LaggedStart, Scene, VGroup, random_bright_color


class Randoms(Scene):
    """Dots that wander."""

    def construct(self) -> None:
        """Play the scene."""
        dots = VGroup(
            *(
                Dot(np.array([np.random.uniform(-5, 5), random.uniform(-3, 3), 0]), color=random_bright_color())
                for _ in range(30)
            )
        )
        self.play(LaggedStart(*map(FadeIn, dots), lag_ratio=0.05), run_time=0.7)
        walker = Dot(color=RED)
        walker.add_updater(lambda dot, dt: dot.shift(np.append(np.random.normal(0, 0.1, 2), 0)))
        self.add(walker)
        self.wait(0.6)
        self.play(dots.animate.set_color(WHITE), run_time=0.4)
        dots.shuffle_submobjects()
        self.play(dots.animate.arrange_in_grid(5, 6), run_time=0.6)
