"""A flood of empty files."""
# expect: disk_limit
# job: timeout_s=30
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        for n in range(10**7):
            open(f"n{n}", "w").close()
