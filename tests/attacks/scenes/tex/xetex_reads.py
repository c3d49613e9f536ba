"""Reads a file outside with XeTeX's means: as a text, as a picture, as a font."""
# expect: completed
# prepare: files
# job: timeout_s=38
import shutil

from attack import *

WAYS = (r"\input{%s}", r"\newread\f\openin\f=%s \read\f to\x\x", r"\XeTeXpicfile %s", r"\font\f=\"[%s]\" \f x")


class Attack(Trial):
    def attack(self):
        if not shutil.which("xelatex"):
            tried("this machine has no xelatex")
            return
        for way in WAYS:
            typeset("x" + way % TARGETS["secret"], "xelatex")
            look("what XeTeX wrote", typeset_contents())
