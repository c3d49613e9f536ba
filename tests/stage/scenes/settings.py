from manim import *

config.background_color = "#123456"
config.frame_width = 10
config.frame_height = 10 * 9 / 16
Text.set_default(font_size=60)
Square.set_default(color=PINK)


class Settings(Scene):
    def setup(self):
        self.camera.background_color = DARK_BROWN

    def construct(self):
        self.play(Write(Text("set")), run_time=0.5)
        self.camera.background_color = DARK_BLUE
        self.camera.init_background()
        self.play(Create(Square()), run_time=0.4)
        self.wait(0.3)
        self.clear()
        self.wait(0.2)
