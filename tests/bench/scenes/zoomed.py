"""A zoomed scene: a second camera whose picture is part of the first's."""

from manim import BLUE, DOWN, LEFT, RIGHT, UP, Dot, Line, ZoomedScene


class Zoomed(ZoomedScene):
    """Look closely at a crossing."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(
            zoom_factor=0.3,
            zoomed_display_height=2,
            zoomed_display_width=3,
            image_frame_stroke_width=6,
            **kwargs,
        )

    def construct(self) -> None:
        """Play the scene."""
        cross = (Line(2 * LEFT, 2 * RIGHT), Line(2 * DOWN, 2 * UP, color=BLUE))
        dot = Dot(radius=0.05)
        self.add(*cross, dot)
        self.activate_zooming(animate=False)
        self.play(self.zoomed_camera.frame.animate.shift(0.5 * UP), run_time=0.5)
        self.play(dot.animate.shift(0.7 * UP), run_time=0.5)
        self.wait(0.2)
