from manim import *


class Picture(Scene):
    def construct(self):
        y, x = np.mgrid[0:40, 0:60]
        pixels = np.stack([x * 4, y * 6, (x * y) % 256, np.full_like(x, 255)], axis=-1)
        image = ImageMobject(pixels.astype(np.uint8))
        image.height = 3
        self.add(image)
        self.play(image.animate.shift(RIGHT).set_opacity(0.6), run_time=0.5)
        self.play(FadeIn(Circle(fill_opacity=0.5)), run_time=0.3)
        cloud = PMobject()
        cloud.add_points([[i / 10, np.sin(i), 0] for i in range(-20, 20)], color=YELLOW)
        self.play(FadeIn(cloud), run_time=0.3)
