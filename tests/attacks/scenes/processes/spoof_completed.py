"""Says that all is done, and ends without a picture."""
# expect: output_missing scene_error output_invalid
# tries: no, it is the outcome that shows
import json
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if "pipe" in os.readlink(f"/proc/self/fd/{fd}"):
                    os.write(fd, json.dumps({"result": {"outcome": "completed"}}).encode() + b"\n")
            except OSError:
                pass
        os._exit(0)
