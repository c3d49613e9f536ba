from manim import *


class Shapes(Scene):
    def construct(self):
        title = Text("Six shapes", font_size=40).to_edge(UP)
        row = VGroup(
            Circle(color=BLUE, fill_opacity=0.5),
            Square(color=GREEN),
            Triangle(color=YELLOW, fill_opacity=0.8),
            RegularPolygon(5, color=RED),
            Star(color=ORANGE, fill_opacity=1),
            Annulus(inner_radius=0.4, outer_radius=0.9, color=PURPLE),
        )
        row.scale(0.6).arrange(RIGHT, buff=0.4)
        self.play(Write(title), run_time=0.8)
        self.play(LaggedStart(*[GrowFromCenter(each) for each in row], lag_ratio=0.2))
        self.play(Rotate(row[1], PI / 3), Indicate(row[4]), run_time=0.6)
        self.play(FadeOut(row, shift=DOWN), title.animate.set_color(TEAL), run_time=0.5)
