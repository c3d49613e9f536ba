"""Forks as long as it can."""
# expect: process_limit memory_limit
# expect strong: process_limit
# job: processes=40 timeout_s=30
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            try:
                os.fork()
            except OSError:
                pass
