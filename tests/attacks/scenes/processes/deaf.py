"""Ignores every signal and never ends."""
# expect: time_limit
# job: timeout_s=2
# tries: no, it does not live to
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        for signo in range(1, 65):
            try:
                signal.signal(signo, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            pass
