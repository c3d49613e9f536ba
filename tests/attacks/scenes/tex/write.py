"""Writes outside, by TeX's own means."""
# expect: completed
# prepare: files
# job: timeout_s=38
import os
import subprocess

from attack import *

def typeset(body, engine="latex"):
    """Runs TeX on a document; whether it ended well."""
    with open("t.tex", "w") as file:
        file.write("\\documentclass{article}\\begin{document}" + body + "\\end{document}")
    command = [engine, "-interaction=nonstopmode", "-output-format=dvi", "t.tex"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30).returncode == 0


def contents():
    """All that TeX has written, and what dvisvgm makes of it."""
    subprocess.run(["dvisvgm", "-v0", "-n", "-o", "t.svg", "t.dvi"], stdout=subprocess.DEVNULL, timeout=30)
    return b"".join(open(name, "rb").read() for name in os.listdir(".") if os.path.isfile(name) and name != "t.tex")


class Attack(Trial):
    def attack(self):
        os.environ.update(openin_any="a", openout_any="a", TEXMFOUTPUT=TARGETS["shared"])
        typeset(r"\newwrite\f\immediate\openout\f=%s/tex \immediate\write\f{x}\immediate\closeout\f" % TARGETS["shared"], 'latex')
        look("what TeX wrote", contents())
        if os.path.exists(TARGETS["shared"] + "/tex.tex") or os.path.exists(TARGETS["shared"] + "/tex"):
            breach("TeX wrote outside")
