"""Reads a file outside with TeX's own means."""
# expect: completed
# prepare: files
# job: timeout_s=38
from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\input{%s}" % TARGETS["secret"])
        look("what TeX wrote", typeset_contents())
