from manim import *


class Updaters(Scene):
    def construct(self):
        tracker = ValueTracker(0)
        dot = always_redraw(
            lambda: Dot([2 * np.cos(tracker.get_value()), np.sin(tracker.get_value()), 0])
        )
        line = Line(ORIGIN, RIGHT)
        line.add_updater(lambda m: m.put_start_and_end_on(ORIGIN, dot.get_center()))
        label = DecimalNumber(0, mob_class=Text).to_corner(UL)
        label.add_updater(lambda m: m.set_value(tracker.get_value()))
        self.add(dot, line, label)
        self.play(tracker.animate.set_value(TAU), run_time=1.1, rate_func=linear)
        self.wait(0.4)
        label.clear_updaters()
        self.play(tracker.animate.set_value(1), run_time=0.4)
