"""Ends by a signal that would tell of another cause."""
# expect: sandbox_violation
# tries: no, it is the outcome that shows
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        os.kill(os.getpid(), signal.SIGSYS)
