"""Looks through directories and writes outside by Lua."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\directlua{pcall(function() for x in lfs.dir('%s') do texio.write_nl(x) end end) local f = io.open('%s/lua', 'w') if f then f:write('x') f:close() end}" % (TARGETS["shared"], TARGETS["shared"]), "lualatex")
        look("what TeX wrote", typeset_contents())
        if os.path.exists(TARGETS["shared"] + "/lua"):
            breach("Lua wrote outside")
