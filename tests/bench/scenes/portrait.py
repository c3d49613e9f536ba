"""Portrait, sections, and waits whose lengths are no whole number of frames.

size: 270x480
"""

from manim import DOWN, UP, Circle, Create, Scene, Square, Text, Uncreate, Write


class Portrait(Scene):
    """A story for a telephone."""

    def construct(self) -> None:
        """Play the scene."""
        self.next_section("head")
        title = Text("tall", font_size=96).to_edge(UP)
        self.play(Write(title), run_time=0.45)
        self.wait(0.205)
        self.next_section("body")
        shapes = (Circle(), Square().shift(2 * DOWN))
        self.play(*map(Create, shapes), run_time=0.415)
        self.add_subcaption("two shapes", duration=0.5)
        self.wait(0.333)
        self.play(*map(Uncreate, shapes), run_time=0.5)
        self.wait()
