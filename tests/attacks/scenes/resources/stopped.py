"""Stops itself: it uses nothing, and never ends."""
# expect: time_limit
# job: timeout_s=2
# tries: no
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        os.kill(os.getpid(), signal.SIGSTOP)
