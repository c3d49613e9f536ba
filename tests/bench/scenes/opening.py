"""Titles: text written, letters recoloured, one title becoming the next."""

from manim import (
    DOWN,
    LEFT,
    ORANGE,
    UP,
    WHITE,
    AddTextLetterByLetter,
    FadeIn,
    FadeOut,
    LaggedStartMap,
    ReplacementTransform,
    Scene,
    Text,
    Underline,
    Write,
)


class Opening(Scene):
    """A title sequence."""

    def construct(self) -> None:
        """Play the scene."""
        first = Text("What a curve knows", font_size=60)
        self.play(Write(first), run_time=1)
        line = Underline(first, color=ORANGE)
        self.play(FadeIn(line, shift=0.5 * LEFT), run_time=0.4)
        second = Text("of its own length", font_size=60, t2c={"length": ORANGE})
        self.play(ReplacementTransform(first, second), FadeOut(line), run_time=0.8)
        self.wait(0.35)
        credit = Text("part one", font_size=32, color=WHITE).next_to(second, DOWN)
        self.play(AddTextLetterByLetter(credit), run_time=0.5)
        self.play(LaggedStartMap(FadeOut, second, shift=0.3 * UP), FadeOut(credit), run_time=0.8)
