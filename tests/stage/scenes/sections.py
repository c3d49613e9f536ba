from manim import *


class Sections(Scene):
    def construct(self):
        self.next_section("intro")
        self.play(Create(Square()), run_time=0.4)
        self.next_section("left out", skip_animations=True)
        self.play(Create(Circle()), run_time=0.5)
        self.wait(0.4)
        self.next_section("empty")
        self.next_section("end", section_type="presentation.sub.loop")
        self.play(FadeOut(*self.mobjects), run_time=0.4)
        self.wait(0.2)
