"""Module globals that cannot be listed, compared or printed."""
# expect: completed scene_error source_rejected
# tries: no
import sys

from manim import *


class Wild(str):
    def __eq__(self, other):
        raise SystemExit(3)

    __hash__ = str.__hash__


sys.modules[__name__].__dict__[Wild("wild")] = Wild("x")


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
