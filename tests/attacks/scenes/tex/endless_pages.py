"""Pages without end."""
# expect: tex_error
# job: timeout_s=38
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        self.add(Tex(r"\def\x{a\newpage\x}\x", tex_environment=None, tex_template=None))
        self.wait(0.1)
