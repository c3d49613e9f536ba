"""Kills itself, as if we had."""
# expect: crashed
# tries: no, it is the outcome that shows
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        os.kill(os.getpid(), signal.SIGKILL)
