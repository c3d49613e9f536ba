"""TeX writes a file without end."""
# expect: tex_error
# job: timeout_s=38
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        self.add(Tex(r"\newwrite\f\immediate\openout\f=big \edef\a{" + "a" * 9000 + r"}\def\x{\immediate\write\f{\a}\x}\x", tex_environment=None, tex_template=None))
        self.wait(0.1)
