"""Shapes that become one another, with paths, groups and fading strokes."""

from manim import (
    BLUE,
    GREEN,
    PI,
    RED,
    RIGHT,
    YELLOW,
    Annulus,
    ArcBetweenPoints,
    Circle,
    Create,
    CyclicReplace,
    DashedVMobject,
    Ellipse,
    Rectangle,
    Scene,
    ShowPassingFlash,
    Square,
    Star,
    Transform,
    TransformFromCopy,
    Triangle,
    VGroup,
    linear,
    there_and_back,
)


class Transforms(Scene):
    """One of each kind of transform."""

    def construct(self) -> None:
        """Play the scene."""
        square = Square(color=BLUE, fill_opacity=0.5)
        self.play(Create(square), run_time=0.5)
        self.play(Transform(square, Circle(color=RED, fill_opacity=0.8), path_arc=PI / 2), run_time=0.7)
        star = Star(7, color=YELLOW).shift(3 * RIGHT)
        self.play(TransformFromCopy(square, star), run_time=0.6)
        ring = DashedVMobject(Annulus(1.2, 1.3, color=GREEN), num_dashes=24)
        self.play(Create(ring), star.animate(rate_func=there_and_back).scale(2), run_time=0.8)
        row = VGroup(Triangle(), Ellipse(), Rectangle(height=1)).arrange(RIGHT).shift(2.5 * RIGHT)
        self.add(row)
        self.play(CyclicReplace(*row), run_time=0.7)
        arc = ArcBetweenPoints(square.get_center(), star.get_center(), stroke_width=12)
        self.play(ShowPassingFlash(arc, time_width=0.4), rate_func=linear, run_time=0.6)
        self.wait(0.15)
