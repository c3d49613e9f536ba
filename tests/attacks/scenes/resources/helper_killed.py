"""Kills whatever runs under its uid, all the time: those who measure it among them."""
# expect: cpu_limit time_limit sandbox_violation
# job: cpu_s=3 timeout_s=6
# tries: no
# levels: standard strong
import os
import signal

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            try:
                os.kill(-1, signal.SIGKILL)
            except OSError:
                pass
