"""Replaces the harness's own functions while it runs."""
# expect: completed scene_error output_missing
# tries: no
import sys

from manim import *

for name in list(sys.modules):
    if name.startswith("_manimd_harness"):
        for key, value in list(vars(sys.modules[name]).items()):
            if callable(value) and not key.startswith("__"):
                setattr(sys.modules[name], key, lambda *a, **k: {"outcome": "host_error"})


class Attack(Scene):
    def construct(self):
        self.wait(0.1)
