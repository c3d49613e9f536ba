"""A box of boxes, twice as large each time."""
# expect: tex_error
# job: timeout_s=38
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        self.add(Tex(r"\setbox0\hbox{a}\def\x{\setbox0\vbox{\copy0\copy0}\x}\x", tex_environment=None, tex_template=None))
        self.wait(0.1)
