"""Rewrites the harness in its own process: result, ring, writer."""
# expect: scene_error output_missing output_invalid completed crashed
# tries: no, it is the outcome that shows
import sys

from manim import *


class Attack(Scene):
    def construct(self):
        for name, module in list(sys.modules.items()):
            if name.startswith("_manimd"):
                for thing in list(vars(module)):
                    if not thing.startswith("__"):
                        try:
                            setattr(module, thing, lambda *a, **k: None)
                        except (AttributeError, TypeError):
                            pass
        self.wait(0.1)
