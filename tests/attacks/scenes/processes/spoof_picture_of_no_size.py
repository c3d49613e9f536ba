"""Announces a picture without size or rate."""
# expect: output_invalid
# tries: no, it is the outcome that shows
import json
import os

from manim import *


class Attack(Scene):
    pass


for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        if "pipe" in os.readlink(f"/proc/self/fd/{fd}") and fd > 2:
            os.write(fd, json.dumps({"picture": {"width": 0, "height": -1, "fps_num": 0, "fps_den": 0}}).encode() + b"\n")
    except OSError:
        pass
