"""Stops itself and all its children, so that no CPU time passes."""
# expect: time_limit
# job: timeout_s=2
# tries: no, it does not live to
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        for _ in range(4):
            if os.fork() == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
