"""The scene itself lets TeX read everything: its box does not."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        os.environ.update(openin_any="a", openout_any="a", shell_escape="t", TEXMFOUTPUT="/")
        typeset(r"\newread\f\openin\f=%s \read\f to\x\typeout{\x}\x" % TARGETS["secret"])
        look("what TeX wrote", typeset_contents())
