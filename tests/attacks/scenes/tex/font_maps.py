"""Names a file outside as a font map and as a font."""
# expect: completed
# prepare: files
# job: timeout_s=38
from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\special{dvisvgm:config}\special{fontmap: +%s}\font\x=%s \x x" % (TARGETS["secret"], TARGETS["secret"]))
        look("what TeX wrote", typeset_contents())
