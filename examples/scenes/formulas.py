"""Formulas: Euler's identity out of the exponential series, in six steps.

    manimd render examples/scenes/formulas.py -q 720p30
"""

from manim import (
    BLUE_B,
    DOWN,
    GOLD,
    RED_B,
    UP,
    YELLOW,
    Circumscribe,
    FadeIn,
    FadeOut,
    MathTex,
    Scene,
    TransformMatchingTex,
    Write,
)

SERIES = r"= \sum_{n=0}^{\infty} \frac{x^n}{n!}"


class Formulas(Scene):
    """Six seconds: a series, what it says of a circle, and an identity."""

    def construct(self) -> None:
        """Play the scene."""
        series = MathTex("e^{x}", SERIES)
        self.play(Write(series), run_time=1.2)
        turned = MathTex("e^{i x}", r"= \sum_{n=0}^{\infty} \frac{(i x)^n}{n!}")
        self.play(TransformMatchingTex(series, turned), run_time=0.8)

        circle = MathTex("e^{i x}", "=", r"\cos x", "+", "i", r"\sin x")
        circle[2].set_color(BLUE_B)
        circle[5].set_color(RED_B)
        circle.next_to(turned, DOWN, buff=0.8)
        self.play(FadeIn(circle, shift=0.4 * UP), run_time=0.8)
        self.wait(0.4)
        self.play(
            FadeOut(turned, shift=UP),
            circle.animate.move_to(1.2 * UP),
            run_time=0.7,
        )

        identity = MathTex(r"e^{i\pi}", "+", "1", "=", "0", font_size=96)
        identity[0].set_color(GOLD)
        identity.next_to(circle, DOWN, buff=0.9)
        self.play(Write(identity), run_time=1)
        self.play(Circumscribe(identity, color=YELLOW, buff=0.25), run_time=1)
        self.wait(0.3)
