"""Sections with the names of files outside."""
# expect: completed scene_error output_invalid
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        for name in ("../../../tmp/section", "a\0b", "\x1b[2J", "x" * 100000, "</title><script>", "\ud800"):
            self.next_section(name)
            self.wait(0.1)
