"""Updaters of each kind: with and without dt, on scenes, and trackers."""

import numpy as np
from manim import (
    PI,
    RIGHT,
    TAU,
    UP,
    Circle,
    Dot,
    Integer,
    Line,
    Scene,
    Square,
    ValueTracker,
    VGroup,
    always_redraw,
    linear,
)


class Updaters(Scene):
    """A pendulum, a counter and a square that turns by itself."""

    def construct(self) -> None:
        """Play the scene."""
        angle = ValueTracker(PI / 4)
        rod = always_redraw(
            lambda: Line(2 * UP, 2 * UP + 3 * np.array([np.sin(angle.get_value()), -np.cos(angle.get_value()), 0]))
        )
        bob = Dot(radius=0.2).add_updater(lambda dot: dot.move_to(rod.get_end()))
        turning = Square().shift(3 * RIGHT)
        turning.add_updater(lambda square, dt: square.rotate(dt * PI / 2))
        self.add(rod, bob, turning)
        self.play(angle.animate.set_value(-PI / 4), run_time=0.8)
        self.wait(0.5)
        ghost = Circle(radius=0.3)
        seen = VGroup(*(Circle(radius=0.1 * k) for k in range(1, 4)))
        ghost.add_updater(lambda circle: circle.move_to(bob.get_center()))
        self.add(ghost, seen)
        self.add_updater(lambda dt: seen.rotate(dt * TAU))
        count = Integer(0).to_corner()
        count.add_updater(lambda number: number.set_value(int(10 * self.time)))
        self.add(count)
        self.play(angle.animate.set_value(0), run_time=0.7, rate_func=linear)
        self.wait_until(lambda: turning.get_center()[0] > 0, max_time=0.4)
        self.wait(0.4, frozen_frame=False)
