"""Text and shapes: a title is written, shapes trade places, a wheel turns.

    manimd render examples/scenes/text_and_shapes.py -q 720p30
"""

from manim import (
    BLUE_C,
    DOWN,
    GOLD,
    GREEN_C,
    LEFT,
    PI,
    PURPLE_B,
    RED_C,
    RIGHT,
    TAU,
    TEAL_C,
    UP,
    Circle,
    Create,
    Dot,
    FadeIn,
    FadeOut,
    LaggedStart,
    Line,
    ReplacementTransform,
    RegularPolygon,
    Rotate,
    Scene,
    Square,
    Star,
    Text,
    Triangle,
    VGroup,
    Write,
    smooth,
)

COLOURS = [RED_C, GOLD, GREEN_C, TEAL_C, BLUE_C, PURPLE_B]


class TextAndShapes(Scene):
    """Seven seconds: a title, a row of shapes, and the wheel they become."""

    def construct(self) -> None:
        """Play the scene."""
        title = self.write_title()
        row = self.line_up()
        wheel = self.make_wheel(row)
        self.turn(wheel, title)

    def write_title(self) -> Text:
        """Write the name and put a line beneath it."""
        title = Text("manimd", weight="BOLD", font_size=84)
        title.set_color_by_gradient(TEAL_C, BLUE_C, PURPLE_B)
        motto = Text("a scene goes in, a video comes out", font_size=30)
        motto.next_to(title, DOWN, buff=0.4)
        rule = Line(motto.get_left(), motto.get_right(), color=GOLD, stroke_width=2)
        rule.next_to(title, DOWN, buff=0.15)
        self.play(Write(title), run_time=1)
        self.play(Create(rule), FadeIn(motto, shift=0.3 * UP), run_time=0.7)
        self.wait(0.5)
        self.play(
            FadeOut(motto, shift=0.3 * DOWN),
            FadeOut(rule),
            title.animate.scale(0.5).to_edge(UP),
            run_time=0.7,
        )
        return title

    def line_up(self) -> VGroup:
        """Draw six shapes in a row, one after the other."""
        shapes = VGroup(
            Triangle(),
            Square(side_length=1.5),
            RegularPolygon(5),
            RegularPolygon(6),
            Star(5, outer_radius=1),
            Circle(radius=0.85),
        )
        for shape, colour in zip(shapes, COLOURS, strict=True):
            shape.set_stroke(colour, width=5).set_fill(colour, opacity=0.35)
            shape.scale(0.7)
        shapes.arrange(RIGHT, buff=0.55)
        drawn = [Create(shape) for shape in shapes]
        self.play(LaggedStart(*drawn, lag_ratio=0.15), run_time=1.4)
        return shapes

    def make_wheel(self, row: VGroup) -> VGroup:
        """Turn every shape into a spoke of one wheel."""
        wheel = VGroup()
        for index, colour in enumerate(COLOURS):
            petal = Circle(radius=0.9, color=colour, stroke_width=4)
            petal.set_fill(colour, opacity=0.3).shift(1.15 * RIGHT)
            petal.rotate(index * TAU / len(COLOURS), about_point=0 * RIGHT)
            wheel.add(petal)
        wheel.shift(0.4 * DOWN)
        moves = [
            ReplacementTransform(shape, petal, path_arc=PI / 3)
            for shape, petal in zip(row, wheel, strict=True)
        ]
        self.play(LaggedStart(*moves, lag_ratio=0.05), run_time=1.3)
        return wheel

    def turn(self, wheel: VGroup, title: Text) -> None:
        """Turn the wheel once around its hub, and end in a point."""
        hub = Dot(wheel.get_center(), color=GOLD)
        self.play(
            Rotate(wheel, angle=TAU / 2, about_point=hub.get_center()),
            FadeIn(hub, scale=3),
            run_time=1.6,
            rate_func=smooth,
        )
        self.play(
            wheel.animate.scale(0.02).set_opacity(0),
            FadeOut(title, shift=LEFT),
            run_time=0.6,
        )
        self.wait(0.2)
