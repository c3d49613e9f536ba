"""Prints lines as manimd itself would write them."""
# expect: scene_error
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        for word in ("completed", "host_error", "cancelled"):
            print('{"result": {"outcome": "%s"}}' % word)
            print('{"exit": 0, "sealed": 1, "empty": true}')
            print('{"ts": 0, "level": "error", "msg": "worker: out of memory"}')
        raise ValueError("the truth")
