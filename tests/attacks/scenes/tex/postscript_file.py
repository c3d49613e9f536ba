"""Reads a file by Ghostscript, inside dvisvgm."""
# expect: completed
# prepare: files
# job: timeout_s=38
from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\special{ps: (%s) (r) file 100 string readstring pop == }\special{ps: (%s) run}\special{psfile=%s}x" % ((TARGETS["secret"],) * 3))
        look("what TeX wrote", typeset_contents())
