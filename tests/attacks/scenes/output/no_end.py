"""Ends well, as it says, without the ring's END."""
# expect: scene_error
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
        os._exit(0)
