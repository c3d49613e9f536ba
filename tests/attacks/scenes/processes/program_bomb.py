"""Starts programs without end, each in a session of its own."""
# expect: process_limit memory_limit
# expect basic: process_limit memory_limit time_limit
# job: processes=30 memory_mb=8000 timeout_s=15
# tries: no, it does not live to
# ablation: no, without limits it would fill this machine
import subprocess

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            try:
                subprocess.Popen(["sleep", "1000"])
            except OSError:
                pass
