"""Writes outside, by TeX's own means."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        os.environ.update(openin_any="a", openout_any="a", TEXMFOUTPUT=TARGETS["shared"])
        typeset(r"\newwrite\f\immediate\openout\f=%s/tex \immediate\write\f{x}\immediate\closeout\f" % TARGETS["shared"])
        look("what TeX wrote", typeset_contents())
        if os.path.exists(TARGETS["shared"] + "/tex.tex") or os.path.exists(TARGETS["shared"] + "/tex"):
            breach("TeX wrote outside")
