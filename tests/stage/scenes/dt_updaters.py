from manim import *


class DtUpdaters(Scene):
    def construct(self):
        wheel = Square(side_length=1.5, color=BLUE)
        wheel.add_updater(lambda m, dt: m.rotate(dt * 2))
        ball = Dot(LEFT * 3, color=RED)
        speed = [1.0]

        def fall(mobject, dt):
            speed[0] += 0.5 * dt
            mobject.shift(RIGHT * speed[0] * dt)

        ball.add_updater(fall)
        self.add(wheel, ball)
        self.wait(0.9)
        self.play(Create(Circle(radius=2)), run_time=0.6)
        wheel.suspend_updating()
        self.wait(0.35)
        seen = []
        self.add_updater(seen.append)
        self.wait(0.3)
        self.add(Text(str(round(sum(seen), 3)), font_size=24).to_edge(DOWN))
        self.wait(0.2)
