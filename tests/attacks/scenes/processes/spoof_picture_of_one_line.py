"""Announces a picture of one line, at a rate of nothing, which an encoder may not take."""
# expect: completed output_invalid output_missing
# tries: no, it is the outcome that shows
import json
import os

from manim import *


class Attack(Scene):
    def construct(self):
        self.wait(0.1)


for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        if "pipe" in os.readlink(f"/proc/self/fd/{fd}") and fd > 2:
            os.write(fd, json.dumps({"picture": {"width": 9215, "height": 1, "fps_num": 1, "fps_den": 999999}}).encode() + b"\n")
    except OSError:
        pass
