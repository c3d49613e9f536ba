"""Leaves a tree three thousand directories deep, which no path can name."""
# expect: completed
# tries: no, what is left is seen from outside
import os

from manim import *


class Attack(Scene):
    def construct(self):
        here = os.getcwd()
        for _ in range(3000):
            os.mkdir("d" * 50)
            os.chdir("d" * 50)
        with open("bottom", "w") as out:
            out.write("x")
        os.chdir(here)
        self.wait(0.1)
