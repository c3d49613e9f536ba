"""Reads by Lua, which heeds no setting of TeX's."""
# expect: completed
# prepare: files
# job: timeout_s=38
from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\directlua{local f = io.open('%s') if f then texio.write_nl(f:read('a')) end}" % TARGETS["secret"], "lualatex")
        look("what TeX wrote", typeset_contents())
