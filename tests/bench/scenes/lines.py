"""Strokes: joints, caps, dashes, arrows, wide and thin, in and out of z-order."""

from manim import (
    BLUE,
    GOLD,
    LEFT,
    RED,
    RIGHT,
    UP,
    Arrow,
    Axes,
    Brace,
    CapStyleType,
    Create,
    CurvedArrow,
    DashedLine,
    GrowArrow,
    Line,
    LineJointType,
    RegularPolygram,
    Scene,
    SpiralIn,
    VMobject,
    VGroup,
)


class Lines(Scene):
    """Every kind of stroke."""

    def construct(self) -> None:
        """Play the scene."""
        zigzags = VGroup()
        for joint in (LineJointType.ROUND, LineJointType.BEVEL, LineJointType.MITER):
            zigzag = VMobject(stroke_width=16, joint_type=joint, color=BLUE)
            zigzag.set_points_as_corners([[-1, 0, 0], [-0.4, 1, 0], [0.2, 0, 0], [0.8, 1, 0]])
            zigzags.add(zigzag)
        zigzags.arrange(RIGHT).to_edge(UP)
        self.play(Create(zigzags), run_time=0.7)
        caps = VGroup(
            *(
                Line(LEFT, RIGHT, stroke_width=20).set_cap_style(style)
                for style in (CapStyleType.ROUND, CapStyleType.BUTT, CapStyleType.SQUARE)
            )
        ).arrange(UP)
        self.add(caps)
        arrow = Arrow(3 * LEFT, LEFT, color=GOLD)
        arrow.set_z_index(-1)
        self.play(GrowArrow(arrow), Create(CurvedArrow(LEFT, 2 * RIGHT)), run_time=0.6)
        self.play(Create(DashedLine(2 * LEFT, 2 * RIGHT, color=RED)), Create(Brace(caps)), run_time=0.5)
        self.play(SpiralIn(VGroup(RegularPolygram(5), Axes(x_length=2, y_length=2))), run_time=0.7)
