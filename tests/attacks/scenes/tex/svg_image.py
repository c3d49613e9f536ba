"""Has dvisvgm put a file outside into the picture."""
# expect: completed
# prepare: files
# job: timeout_s=38
from attack import *


class Attack(Trial):
    def attack(self):
        typeset(r"\special{dvisvgm:raw <image href='file://%s'/>}\special{dvisvgm:raw <!ENTITY x SYSTEM 'file://%s'>}x" % (TARGETS["secret"], TARGETS["secret"]))
        look("what TeX wrote", typeset_contents())
