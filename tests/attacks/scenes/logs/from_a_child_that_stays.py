"""A child goes on printing when the scene has ended."""
# expect: completed
# tries: no
import os
import time

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() == 0:
            while True:
                os.write(1, b"z" * 1000)
                time.sleep(0.001)
        self.wait(0.1)
