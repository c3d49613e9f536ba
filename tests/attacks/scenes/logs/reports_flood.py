"""Floods the channel of reports instead of the log."""
# expect: log_limit output_invalid time_limit
# job: timeout_s=10
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        while True:
            for fd in range(3, 20):
                try:
                    os.set_blocking(fd, False)
                    os.write(fd, b'{"progress": {"percent": 1e999, "frames": -1}}\n' * 1000)
                except OSError:
                    pass
