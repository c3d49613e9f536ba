"""Writes to address zero."""
# expect: crashed
# tries: no, it is the outcome that shows
import ctypes

from manim import *


class Attack(Scene):
    def construct(self):
        ctypes.memset(0, 1, 1)
