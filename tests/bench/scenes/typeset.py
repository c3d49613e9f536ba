"""Formulas: a matrix, numbers that change, matching parts that move."""

from manim import (
    BLUE,
    DOWN,
    UP,
    DecimalNumber,
    MathTex,
    Matrix,
    Scene,
    SurroundingRectangle,
    Tex,
    TransformMatchingTex,
    ChangeDecimalToValue,
    Create,
    Write,
)


class Typeset(Scene):
    """What TeX is for."""

    def construct(self) -> None:
        """Play the scene."""
        words = Tex(r"The area is \emph{half} of it", font_size=40).to_edge(UP)
        matrix = Matrix([[r"\pi", 0], [-1, r"\frac{1}{2}"]])
        self.play(Write(words), Write(matrix), run_time=1)
        box = SurroundingRectangle(matrix.get_columns()[1], color=BLUE)
        number = DecimalNumber(0).next_to(matrix, DOWN)
        self.play(Create(box), ChangeDecimalToValue(number, 3.14), run_time=0.8)
        self.remove(matrix, box, number)
        left = MathTex("a^2", "+", "b^2", "=", "c^2")
        right = MathTex("a^2", "=", "c^2", "-", "b^2")
        self.add(left)
        self.play(TransformMatchingTex(left, right), run_time=0.7)
        self.wait(0.3)
