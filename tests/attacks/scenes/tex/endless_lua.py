"""Lua without end, which hears no interrupt."""
# expect: tex_error
# job: timeout_s=38
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        self.add(Tex(r"\directlua{while true do end}", tex_environment=None, tex_template=TexTemplate(tex_compiler="lualatex", output_format=".dvi", preamble="", documentclass=r"\documentclass{article}")))
        self.wait(0.1)
