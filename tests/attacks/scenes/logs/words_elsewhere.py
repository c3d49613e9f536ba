"""Writes a result of its own into every descriptor."""
# expect: scene_error output_invalid
# tries: no
import os

from manim import *


class Attack(Scene):
    def construct(self):
        for fd in range(3, 200):
            for word in (b"host_error", b"sandbox_setup", b"completed"):
                try:
                    os.write(fd, b'\n{"result": {"outcome": "' + word + b'", "error": {"code": "x"}}, "exit": 0}\n')
                except OSError:
                    break
        os._exit(0)
