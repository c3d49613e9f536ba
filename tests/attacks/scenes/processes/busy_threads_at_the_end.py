"""Ends while threads burn and draw."""
# expect: completed cpu_limit
# tries: no, it is the outcome that shows
import threading

from manim import *


class Attack(Scene):
    def construct(self):
        def burn():
            while True:
                sum(range(1000))

        for _ in range(4):
            threading.Thread(target=burn, daemon=True).start()
        self.wait(0.1)
