"""Ends with the statuses that are our own: 3, 125, 126."""
# expect: scene_error
# tries: no, it is the outcome that shows
import os

from manim import *


class Attack(Scene):
    def construct(self):
        if os.fork() == 0:
            os._exit(126)
        os._exit(125)
