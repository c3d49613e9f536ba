from manim import *


class Transforms(Scene):
    def construct(self):
        shape = Square(side_length=2, color=BLUE, fill_opacity=0.4)
        self.add(shape)
        self.play(Transform(shape, Circle(color=RED)), run_time=0.6)
        self.play(ReplacementTransform(shape, (star := Star(color=GOLD))), run_time=0.5)
        grid = NumberPlane(x_range=[-3, 3], y_range=[-2, 2])
        self.play(FadeIn(grid), run_time=0.4)
        self.play(
            grid.animate.apply_function(
                lambda p: p + np.array([0.3 * np.sin(p[1]), 0.3 * np.cos(p[0]), 0])
            ),
            star.animate.rotate(PI / 2).scale(0.5),
            run_time=0.7,
        )
        self.play(ApplyWave(star), run_time=0.5)
