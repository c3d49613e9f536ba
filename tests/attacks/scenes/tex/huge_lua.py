"""A table in Lua that grows for ever."""
# expect: memory_limit tex_error
# job: timeout_s=38
# tries: no
from manim import *


class Attack(Scene):
    def construct(self):
        self.add(Tex(r"\directlua{local t = {} while true do t[\string#t + 1] = string.rep('x', 1000000) end}", tex_environment=None, tex_template=TexTemplate(tex_compiler="lualatex", output_format=".dvi", preamble="", documentclass=r"\documentclass{article}")))
        self.wait(0.1)
