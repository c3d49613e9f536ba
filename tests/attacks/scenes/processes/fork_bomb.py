"""Forks without end."""
# expect: process_limit memory_limit
# expect basic: process_limit memory_limit time_limit
# job: processes=40 memory_mb=8000 timeout_s=15
# tries: no, it does not live to
# ablation: no, without limits it would fill this machine
import os

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            try:
                os.fork()
            except OSError:
                pass
