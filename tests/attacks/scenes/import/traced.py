"""Traces every line of what follows, the harness's too."""
# expect: completed scene_error time_limit
# job: timeout_s=20
# tries: no
import sys

from manim import *


def trace(frame, event, argument):
    if event == "exception" or "harness" in frame.f_code.co_filename:
        frame.f_locals.clear()
    return trace


sys.settrace(trace)


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
